"""Weight initializers: small random numbers, Xavier and He."""

from keras_dlnotes.initializers.he import He
from keras_dlnotes.initializers.initialize import initialize
from keras_dlnotes.initializers.small_random import SmallRandom
from keras_dlnotes.initializers.xavier import Xavier

__all__ = ["He", "SmallRandom", "Xavier", "initialize"]
