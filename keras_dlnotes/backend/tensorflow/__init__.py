"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import sparse_gradients

__all__ = ["sparse_gradients"]
