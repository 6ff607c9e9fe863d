"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import (
    arrays,
    derivatives,
    fit_batches,
    fused_update,
    line_losses,
    reductions,
    sparse_gradients,
)

__all__ = [
    "arrays",
    "derivatives",
    "fit_batches",
    "fused_update",
    "line_losses",
    "reductions",
    "sparse_gradients",
]
