"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import (
    arrays,
    datasets,
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
    "datasets",
    "derivatives",
    "fused_update",
    "iteration",
    "reductions",
    "replicas",
    "sparse_gradients",
    "training_penalty",
]
