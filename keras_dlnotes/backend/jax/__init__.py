"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend import seeds_in_variables as random_numbers
from keras_dlnotes.backend.jax import (
    arrays,
    derivatives,
    fused_update,
    jacobian,
    processes,
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
