"""All weights of a model as one vector, and back."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from keras_dlnotes.backend import active

xp = active.arrays


def weights(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """The variables that are moved along a gradient."""
    return [v for v in variables if _is_moved(v)]


def complete(moved: Iterable[Any], variables: Sequence[keras.Variable]) -> list[Any]:
    """Values for all variables: `moved` for those that are moved, their own for the others."""
    moved = iter(moved)
    return [next(moved) if _is_moved(v) else v.value for v in variables]


def _is_moved(variable: keras.Variable) -> bool:
    # Others hold what the forward pass has seen, such as the scales of a model quantized to float8,
    # and Keras itself writes their "gradient" into them.
    return not getattr(variable, "overwrite_with_gradient", False)


def size(variables: Sequence[keras.Variable]) -> int:
    """How many numbers the variables hold."""
    return sum(math.prod(v.shape) for v in variables)


def read(variables: Sequence[keras.Variable], dtype: str) -> Any:
    """The variables' values as one vector."""
    return xp.flatten([v.value for v in variables], dtype)


def split(vector: Any, variables: Sequence[keras.Variable]) -> list[Any]:
    """The vector's parts in the variables' shapes and dtypes."""
    parts, offset = [], 0
    for variable in variables:
        count = math.prod(variable.shape)
        part = xp.reshape(vector[offset : offset + count], tuple(variable.shape))
        parts.append(xp.cast(part, variable.dtype))
        offset += count
    return parts


def join(tensors: Sequence[Any], dtype: str) -> Any:
    """The tensors' numbers as one vector."""
    return xp.flatten(tensors, dtype)


def write(vector: Any, variables: Sequence[keras.Variable], dtype: str) -> Any:
    """Give the variables their parts of the vector; what they then hold, as a vector.

    The two differ where a variable is coarser than the vector, as float16 weights are.
    """
    parts = split(vector, variables)
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(xp.copied(part))
    if all(variable.dtype == dtype for variable in variables):
        return vector
    return join(parts, dtype)
