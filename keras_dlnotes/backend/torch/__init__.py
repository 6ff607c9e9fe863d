"""What this package asks of torch directly, beyond `keras.ops`."""

from keras_dlnotes.backend.torch import (
    arrays,
    derivatives,
    fused_update,
    jacobian,
    processes,
    random_numbers,
    recording,
    reductions,
    replicas,
    scalar_functions,
    train_function,
)

__all__ = [
    "arrays",
    "derivatives",
    "fused_update",
    "jacobian",
    "processes",
    "random_numbers",
    "recording",
    "reductions",
    "replicas",
    "scalar_functions",
    "train_function",
]
