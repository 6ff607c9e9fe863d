"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import reductions, sparse_gradients

__all__ = ["reductions", "sparse_gradients"]
