"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import fused_update, sparse_gradients

__all__ = ["fused_update", "sparse_gradients"]
