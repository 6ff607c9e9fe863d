"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import sparse_gradients

__all__ = ["sparse_gradients"]
