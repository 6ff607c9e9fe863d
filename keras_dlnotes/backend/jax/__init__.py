"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import (
    fused_update,
    reductions,
    sparse_gradients,
)

__all__ = [
    "fused_update",
    "reductions",
    "sparse_gradients",
]
