"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import arrays, derivatives

__all__ = ["arrays", "derivatives"]
