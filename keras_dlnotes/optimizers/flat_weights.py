"""All weights of a model as one vector, and back."""

import math

import keras

from keras_dlnotes.backend import active

xp = active.arrays


def size(variables):
    """How many numbers the variables hold."""
    return sum(math.prod(v.shape) for v in variables)


def read(variables, dtype):
    """The variables' values as one vector."""
    return xp.flatten([v.value for v in variables], dtype)


def gradient(gradients, indices, variables, dtype):
    """The gradients as one vector; 0 for a variable that the loss does not depend on.

    `indices` says which of the variables each gradient belongs to.
    """
    known = dict(zip(indices, gradients, strict=True))
    return xp.flatten(
        [
            known[i] if i in known else keras.ops.zeros(v.shape, v.dtype)
            for i, v in enumerate(variables)
        ],
        dtype,
    )


def split(vector, variables):
    """The vector's parts in the variables' shapes and dtypes."""
    parts, offset = [], 0
    for variable in variables:
        count = math.prod(variable.shape)
        part = xp.reshape(vector[offset : offset + count], tuple(variable.shape))
        parts.append(xp.cast(part, variable.dtype))
        offset += count
    return parts


def join(tensors, dtype):
    """The tensors' numbers as one vector."""
    return xp.flatten(tensors, dtype)


def write(vector, variables, dtype):
    """Give the variables their parts of the vector; what they then hold, as a vector.

    The two differ where a variable is coarser than the vector, as float16 weights are.
    """
    parts = split(vector, variables)
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(xp.copied(part))
    if all(variable.dtype == dtype for variable in variables):
        return vector
    return join(parts, dtype)
