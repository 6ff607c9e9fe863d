"""Checks of hyperparameters: what was expected, what was received."""

import math

from keras_dlnotes.numerics.first_order import EPSILON_MODES
from keras_dlnotes.numerics.number_arguments import is_real_number


def check_decay(name: str, value: float) -> float:
    """Returns the decay rate of a moving average; 1 would never let a gradient in."""
    if not is_real_number(value) or not 0 <= value < 1:
        raise ValueError(f"Expected `{name}` to be a number in [0, 1). Received: {name}={value!r}.")
    return float(value)


def check_momentum(value: float) -> float:
    """Returns the momentum; 1 is a ball without friction."""
    if not is_real_number(value) or not 0 <= value <= 1:
        raise ValueError(
            f"Expected `momentum` to be a number in [0, 1]. Received: momentum={value!r}."
        )
    return float(value)


def check_epsilon(value: float) -> float:
    """Returns epsilon; with 0 a weight without a gradient would be divided by zero."""
    if not is_real_number(value) or not 0 < value < math.inf:
        raise ValueError(
            "Expected `epsilon` to be a finite number above 0, so that no step is divided by zero. "
            f"Received: epsilon={value!r}."
        )
    return float(value)


def check_epsilon_mode(value: str) -> str:
    """Returns where epsilon stands: inside the root, or outside."""
    if value not in EPSILON_MODES:
        raise ValueError(
            f"Expected `epsilon_mode` to be one of {EPSILON_MODES}. "
            f"Received: epsilon_mode={value!r}."
        )
    return value


def check_learning_rate(value):
    """Returns the learning rate: a float, or a schedule or callable as it is."""
    if not is_real_number(value):
        return value  # Keras itself refuses what is neither a number nor callable.
    if not 0 <= value < math.inf:
        raise ValueError(
            "Expected `learning_rate` to be a finite number of at least 0, a schedule or a "
            f"callable. Received: learning_rate={value!r}."
        )
    return float(value)
