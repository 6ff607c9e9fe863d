"""What every stopping criterion is."""

import abc
import types


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
    def update(self, state, check):
        """The state after one more check.

        Args:
            state: what the last call returned, None at the start.
            check: a `Check`. A quantity that was not measured this time is not in it; the state
                then stays as it is.
        """

    @abc.abstractmethod
    def reason(self, state):
        """Why to stop, in words, or None to go on."""

    @abc.abstractmethod
    def get_config(self):
        """The constructor's arguments."""

    def measures(self, state):
        """What the criterion compares with its threshold: a dict from name to number."""
        return {}

    def monitors(self):
        """The quantities it looks at: list of `(name, mode)`, name None for the callback's own."""
        return []

    @classmethod
    def from_config(cls, config):
        """Makes the criterion from the constructor's arguments."""
        return cls(**config)

    def __or__(self, other):
        from keras_dlnotes.stopping.any_of import AnyOf  # which is a criterion itself

        return AnyOf([self, _operand(other)])

    def __and__(self, other):
        from keras_dlnotes.stopping.all_of import AllOf

        return AllOf([self, _operand(other)])

    def __ror__(self, other):
        return _operand(other) | self

    def __rand__(self, other):
        return _operand(other) & self


def check_criterion(name, value):
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


def _operand(value):
    try:
        return check_criterion("operand", value)
    except ValueError as error:  # what Python raises for an operator is a TypeError
        raise TypeError(*error.args) from None
