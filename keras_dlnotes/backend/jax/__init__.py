"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import (
    arrays,
    derivatives,
    fused_update,
    iteration,
    reductions,
    replicas,
    sparse_gradients,
    training_penalty,
)

__all__ = [
    "arrays",
    "derivatives",
    "fused_update",
    "iteration",
    "reductions",
    "replicas",
    "sparse_gradients",
    "training_penalty",
]
