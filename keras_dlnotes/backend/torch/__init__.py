"""What this package asks of torch directly, beyond `keras.ops`."""

from keras_dlnotes.backend.torch import (
    fused_update,
    reductions,
    sparse_gradients,
)

__all__ = [
    "fused_update",
    "reductions",
    "sparse_gradients",
]
