"""What every stopping criterion is."""

import abc


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
    """

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

        return AnyOf([self, other]) if isinstance(other, Criterion) else NotImplemented

    def __and__(self, other):
        from keras_dlnotes.stopping.all_of import AllOf

        return AllOf([self, other]) if isinstance(other, Criterion) else NotImplemented
