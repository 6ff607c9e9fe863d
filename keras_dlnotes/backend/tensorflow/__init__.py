"""What this package asks of tensorflow directly, beyond `keras.ops`."""

from keras_dlnotes.backend.tensorflow import (
    fused_update,
    reductions,
    sparse_gradients,
)

__all__ = [
    "fused_update",
    "reductions",
    "sparse_gradients",
]
