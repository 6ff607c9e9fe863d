"""Checks of hyperparameters: what was expected, what was received."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import keras

from keras_dlnotes.numerics.first_order import EPSILON_MODES
from keras_dlnotes.numerics.number_arguments import is_real_number

LearningRate: TypeAlias = (
    float | keras.optimizers.schedules.LearningRateSchedule | Callable[[], Any]
)
_Mode = TypeVar("_Mode", bound=str)


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


def check_epsilon_mode(value: _Mode, modes: tuple[str, ...] = EPSILON_MODES) -> _Mode:
    """Returns where epsilon stands: inside the root, or outside."""
    if value not in modes:
        raise ValueError(
            f"Expected `epsilon_mode` to be one of {modes}. Received: epsilon_mode={value!r}."
        )
    return value


def check_initial_value(name: str, value: float) -> float:
    """Returns what a sum of squares starts from."""
    if not is_real_number(value) or not 0 <= value < math.inf:
        raise ValueError(
            f"Expected `{name}` to be a finite number of at least 0. Received: {name}={value!r}."
        )
    return float(value)


def take_out_keras_arguments(
    class_name: str, accepted: dict[str, tuple[Any, str]], kwargs: dict[str, Any]
) -> None:
    """Removes arguments of Keras's optimizer of the same rule that this one has no place for.

    Args:
        class_name: The optimizer's, for the message.
        accepted: Dict from an argument to the one value that says what the rule does anyway, and
            what to use for others.
        kwargs: The arguments; changed in place.

    Raises:
        ValueError: if one has another value.
    """
    for name, (value, instead) in accepted.items():
        received = kwargs.pop(name, value)
        if received != value:
            raise ValueError(
                f"Expected `{name}` to be left out or {value!r}: the rule of "
                f"kd.optimizers.{class_name} has no other form. "
                f"Received: {name}={received!r}. Use {instead}."
            )


def check_learning_rate(value: Any) -> LearningRate:
    """Returns the learning rate: a float, or a schedule or callable as it is."""
    if not is_real_number(value):
        return value  # Keras itself refuses what is neither a number nor callable.
    if not 0 <= value < math.inf:
        raise ValueError(
            "Expected `learning_rate` to be a finite number of at least 0, a schedule or a "
            f"callable. Received: learning_rate={value!r}."
        )
    return float(value)
