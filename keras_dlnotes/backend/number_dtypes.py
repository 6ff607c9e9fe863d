"""Which NumPy arrays hold numbers, bfloat16 and the 8-bit floats among them.

NumPy knows these only as raw bytes: `np.issubdtype(bfloat16, np.floating)` is False, their `kind`
is "V", and a sum of them is rounded to their few digits after each addition.
"""

import numpy as np


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
