"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import (
    arrays,
    derivatives,
    fused_update,
    iteration,
    reductions,
    sparse_gradients,
    training_penalty,
)

__all__ = [
    "arrays",
    "derivatives",
    "fused_update",
    "iteration",
    "reductions",
    "sparse_gradients",
    "training_penalty",
]
