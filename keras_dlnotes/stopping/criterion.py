"""What every stopping criterion is."""

import abc
import types
from typing import Any, Literal, Self

from keras_dlnotes.stopping.check import Check

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
        from keras_dlnotes.stopping.any_of import AnyOf  # which is a criterion itself

        return AnyOf([self, _operand(other)])

    def __and__(self, other: "Criterion") -> "Criterion":
        from keras_dlnotes.stopping.all_of import AllOf

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
