"""The dtype in which an update is computed, which need not be the one that is stored."""

import keras
from keras import ops


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
