"""Checks of the criteria's arguments."""

import math


def check_above_zero(name, value):
    """Returns a threshold as a float; an error if it is not a finite number above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(
            f"Expected `{name}` to be a finite number above 0. Received: {name}={value!r}."
        )
    return float(value)


def check_finite(name, value):
    """Returns a number as it is; an error if it is not a finite one."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"Expected `{name}` to be a finite number. Received: {name}={value!r}.")
    return value


def check_count(name, value):
    """Returns a count; an error if it is not a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"Expected `{name}` to be a whole number of at least 1. Received: {name}={value!r}."
        )
    return value
