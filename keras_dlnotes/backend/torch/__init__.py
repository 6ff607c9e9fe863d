"""What this package asks of torch directly, beyond `keras.ops`."""

from keras_dlnotes.backend.torch import arrays, derivatives

__all__ = ["arrays", "derivatives"]
