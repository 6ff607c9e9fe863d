"""Weight initializers: small random numbers, Xavier and He."""

from keras_dlnotes.initializers.initialize import initialize
from keras_dlnotes.initializers.random_weights import He, SmallRandom, Xavier

__all__ = ["He", "SmallRandom", "Xavier", "initialize"]
