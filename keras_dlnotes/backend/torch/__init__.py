"""What this package asks of torch directly, beyond `keras.ops`."""

from keras_dlnotes.backend.torch import sparse_gradients

__all__ = ["sparse_gradients"]
