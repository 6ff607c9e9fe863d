"""What a gradient is taken with respect to."""

from typing import NamedTuple

import numpy as np


class CheckedArray(NamedTuple):
    """A weight or an input whose gradient is checked.

    Args:
        path: the variable's path, or "input", "input/1" and so on.
        value: its numbers as a NumPy array, at which the gradient is checked.
    """

    path: str
    value: np.ndarray
