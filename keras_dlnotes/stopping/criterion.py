"""What every stopping criterion is, and what those share that look at one quantity."""

import abc
import math
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number


@dataclass(frozen=True)
class Check:
    """One look at the training run.

    Args:
        monitor: name of the quantity that a criterion looks at if it names none itself.
        values: monitored quantities by name, as they came (smoothed, where that is asked for).
        errors: the same as errors: lower is better, infinity where not finite.
        raw_errors: as `errors`, never smoothed.
        maximized: names of the quantities that are better when larger.
        seconds: time trained so far.
    """

    monitor: str
    values: Mapping[str, float]
    errors: Mapping[str, float]
    raw_errors: Mapping[str, float] = field(default_factory=dict)
    maximized: Collection[str] = frozenset()
    seconds: float = 0.0


# Which way a quantity is better; "auto" asks Keras.
Mode = Literal["auto", "min", "max"]


class Criterion(abc.ABC):
    """A rule that says when training should stop, and why.

    Criteria are given to `kd.callbacks.EarlyStopping(criterion=...)`. They hold settings only:
    what has been seen is a state of plain numbers, lists and dicts, which the callback keeps, and
    saves with the model's weights. They combine:

    - `a | b` stops when one of them does,
    - `a & b` when both do, at the same check.

    Example:
    ```python
    criterion = kd.stopping.GeneralizationLoss(5) & kd.stopping.Patience(3)
    criterion = criterion | kd.stopping.TimeBudget(600)
    ```

    Attributes:
        timed: whether it looks at the time, in which processes of one training differ: then the
            first one's clock counts for all.
    """

    timed = False

    @abc.abstractmethod
    def update(self, state: Any, check: Check) -> Any:
        """The state after one more check.

        Args:
            state: what the last call returned, None at the start.
            check: a `Check`. A quantity that was not measured this time is not in it; the state
                then stays as it is.
        """

    @abc.abstractmethod
    def reason(self, state: Any) -> str | None:
        """Why to stop, in words, or None to go on."""

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""

    def measures(self, state: Any) -> dict[str, float]:
        """What the criterion compares with its threshold: a dict from name to number."""
        return {}

    def monitors(self) -> list[tuple[str | None, Mode]]:
        """The quantities it looks at: list of `(name, mode)`, name None for the callback's own."""
        return []

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the criterion from the constructor's arguments."""
        return cls(**config)

    def __or__(self, other: "Criterion") -> "Criterion":
        from keras_dlnotes.stopping.combinations import AnyOf  # which is a criterion itself

        return AnyOf([self, _operand(other)])

    def __and__(self, other: "Criterion") -> "Criterion":
        from keras_dlnotes.stopping.combinations import AllOf

        return AllOf([self, _operand(other)])

    def __ror__(self, other: "Criterion") -> "Criterion":
        return _operand(other) | self

    def __rand__(self, other: "Criterion") -> "Criterion":
        return _operand(other) & self


def check_criterion(name: str, value: Any) -> Criterion:
    """Returns a criterion; an error that says how to make one if it is something else.

    Args:
        name: the argument's name.
        value: what was passed.

    Raises:
        ValueError: if it is no criterion.
    """
    if isinstance(value, Criterion):
        return value
    advice = ""
    if isinstance(value, type | types.UnionType):
        advice = " That is a class: call it, with its arguments in parentheses."
    elif isinstance(value, list | tuple):
        advice = " Join its criteria."
    raise ValueError(
        f"Expected `{name}` to be a criterion of kd.stopping, such as kd.stopping.Patience(3), or "
        "several joined by `|` (one has to be met) or `&` (all have to), such as "
        "kd.stopping.Patience(3) | kd.stopping.TimeBudget(600). "
        f"Received: {name}={value!r}.{advice}"
    )


def _operand(value: Any) -> Criterion:
    try:
        return check_criterion("operand", value)
    except ValueError as error:  # what Python raises for an operator is a TypeError
        raise TypeError(*error.args) from None


class Monitored(Criterion, abc.ABC):
    """A criterion that follows one quantity.

    Args:
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if an argument is not as described.
    """

    def __init__(self, monitor: str | None = None, mode: Mode = "auto") -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"Expected `mode` to be 'auto', 'min' or 'max'. Received: mode={mode!r}."
            )
        if not isinstance(monitor, str | None):
            raise ValueError(
                "Expected `monitor` to be the name of a quantity in the logs of `fit`, or None for "
                f"that of the callback. Received: monitor={monitor!r}."
            )
        self.monitor = monitor
        self.mode = mode

    @abc.abstractmethod
    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """The new state, a dict, from the present error; `state` is None at the start."""

    def update(self, state: dict[str, Any] | None, check: Check) -> dict[str, Any] | None:
        """The state after one more check."""
        name = self.monitor or check.monitor
        if name not in check.errors:
            return state
        return {"monitor": name, **self.follow(state, check.errors[name], check)}

    def monitors(self) -> list[tuple[str | None, Mode]]:
        """The quantity that it follows."""
        return [(self.monitor, self.mode)]

    def get_config(self) -> dict[str, Any]:
        """The arguments that all of them have."""
        return {"monitor": self.monitor, "mode": self.mode}


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
