"""Checks of the criteria's arguments."""

import math
from typing import Any

from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number


def check_above_zero(name: str, value: Any) -> float:
    """Returns a threshold as a float; an error if it is not a finite number above 0."""
    if not is_real_number(value) or not 0 < value < math.inf:
        raise ValueError(
            f"Expected `{name}` to be a finite number above 0. Received: {name}={value!r}."
        )
    return float(value)


def check_finite(name: str, value: Any) -> float:
    """Returns a number as Python's own; an error if it is not a finite one."""
    if not is_real_number(value) or not math.isfinite(value):
        raise ValueError(f"Expected `{name}` to be a finite number. Received: {name}={value!r}.")
    return as_python_number(value)
