"""Which arrays hold numbers, and in which dtype these are computed with.

NumPy knows bfloat16 and the 8-bit floats only as raw bytes: `np.issubdtype(bfloat16, np.floating)`
is False, their `kind` is "V", and a sum of them is rounded to their few digits after each addition.
"""

import keras
import numpy as np
from keras import ops


def is_floating(dtype):
    """Whether arrays of this dtype hold floating-point numbers."""
    dtype = np.dtype(dtype)
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def is_number(dtype):
    """Whether arrays of this dtype hold real numbers, or true and false."""
    dtype = np.dtype(dtype)
    return dtype.kind in "iub" or is_floating(dtype) or dtype.name.startswith(("int", "uint"))


def widened(array):
    """Floats of 16 bits and less as float32, and integers of 4 bits as int8; others as they are.

    NumPy adds up in an array's own dtype: 1000 ones in bfloat16 have the sum 256, and numbers in
    float16 soon an infinite one.
    """
    if is_floating(array.dtype) and array.dtype.itemsize <= 2:
        return array.astype("float32")
    if array.dtype.kind == "V" and is_number(array.dtype):
        return array.astype("int8")
    return array


def arithmetic_dtype(dtype):
    """16-bit variables are updated in 32 bits: in bfloat16 the number 0.999 is 1."""
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def in_arithmetic_dtype(rule):
    """Wraps a rule that computes in its arguments' dtype, so that it takes and gives any.

    Args:
        rule: Takes a gradient, a tuple of state arrays, the learning rate and the step, and returns
            the change of the variable and the tuple of new state arrays.

    Returns:
        The same, with results in the gradient's dtype.
    """

    def wrapped(gradient, slots, learning_rate, step):
        stored = keras.backend.standardize_dtype(gradient.dtype)
        dtype = arithmetic_dtype(stored)
        change, values = rule(
            ops.cast(gradient, dtype),
            tuple(ops.cast(slot, dtype) for slot in slots),
            # A plain number is not cast, which on TensorFlow would round it to float32 first.
            ops.convert_to_tensor(learning_rate, dtype),
            ops.convert_to_tensor(step, dtype),
        )
        return ops.cast(change, stored), tuple(ops.cast(value, stored) for value in values)

    return wrapped
