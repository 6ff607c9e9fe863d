"""Numbers that a user passes as arguments, Python's own, NumPy's or any other library's."""

import contextlib
import numbers
import operator
from typing import Any, TypeGuard

import numpy as np


def whole_number(name: str, value: Any, least: int = 1, unit: str = "", advice: str = "") -> int:
    """Returns a whole number as Python's own, so that a configuration that holds it can be saved.

    Args:
        name: the argument's name.
        value: what was passed, see `is_whole_number`.
        least: the smallest number that has a meaning.
        unit: what is counted, for the message: `"steps"`.
        advice: a sentence that says what to pass, for the end of the message.

    Raises:
        ValueError: if it is not such a number.
    """
    if not is_whole_number(value) or operator.index(value) < least:
        of_what = f" of {unit}" if unit else ""
        raise ValueError(
            f"Expected `{name}` to be a whole number{of_what}, {least} or more. "
            f"Received: {name}={value!r}.{advice and ' ' + advice}"
        )
    return operator.index(value)


def is_whole_number(value: Any) -> TypeGuard[int]:
    """Whether Python takes it for a number in an index, such as `np.int64(5)`; no boolean."""
    if isinstance(value, bool | np.bool_):
        return False
    # An array of several numbers, or a fraction; each library has an exception of its own.
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        operator.index(value)
        return True
    return False


def is_real_number(value: Any) -> bool:
    """Whether it is one real number, Python's or NumPy's; a boolean is none, NaN is one."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def as_python_number(value: Any) -> Any:
    """A real number as Python's own, which JSON can hold; anything else as it is (a seed, None)."""
    if isinstance(value, int | float) or not is_real_number(value):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)
