"""What this package asks of torch directly, beyond `keras.ops`."""

from keras_dlnotes.backend.torch import reductions, sparse_gradients

__all__ = ["reductions", "sparse_gradients"]
