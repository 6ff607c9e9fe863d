"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import (
    arrays,
    derivatives,
    fused_update,
    reductions,
    replicas,
    sparse_gradients,
)

__all__ = [
    "arrays",
    "derivatives",
    "fused_update",
    "reductions",
    "replicas",
    "sparse_gradients",
]
