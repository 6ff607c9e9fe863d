"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import reductions, sparse_gradients

__all__ = ["reductions", "sparse_gradients"]
