"""Several criteria, of which all or one must be met."""

import abc
from collections.abc import Sequence
from typing import Any, Self

import keras

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.stopping.criterion import Check, Criterion, Mode, check_criterion


class Combination(Criterion, abc.ABC):
    """A criterion made of others; a subclass says in `reason` how many of them have to be met.

    Args:
        criteria: list of criteria, at least one.

    Raises:
        ValueError: if there is none, or something else among them.
    """

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        if not isinstance(criteria, list | tuple) or not criteria:
            raise ValueError(
                "Expected `criteria` to be a list of at least one criterion of kd.stopping, such "
                "as [kd.stopping.Patience(3), kd.stopping.TimeBudget(600)]. "
                f"Received: criteria={criteria!r}."
            )
        self.criteria = [check_criterion("criteria", criterion) for criterion in criteria]
        self.timed = any(criterion.timed for criterion in self.criteria)

    def update(self, state: list[Any] | None, check: Check) -> list[Any]:
        """The states of all criteria after one more check."""
        states = state or [None] * len(self.criteria)
        return [c.update(s, check) for c, s in zip(self.criteria, states, strict=True)]

    def measures(self, state: list[Any]) -> dict[str, float]:
        """The measures of all criteria."""
        pairs = zip(self.criteria, state, strict=True)
        return {name: number for c, s in pairs for name, number in c.measures(s).items()}

    def monitors(self) -> list[tuple[str | None, Mode]]:
        """The quantities that any of the criteria looks at."""
        return [pair for c in self.criteria for pair in c.monitors()]

    def _reasons(self, state: list[Any]) -> list[str | None]:
        """Each criterion's reason to stop, or None."""
        return [c.reason(s) for c, s in zip(self.criteria, state, strict=True)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"criteria": [keras.saving.serialize_keras_object(c) for c in self.criteria]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the criterion with those that it combines."""
        return cls([keras.saving.deserialize_keras_object(c) for c in config["criteria"]])


@registered("AllOf")
class AllOf(Combination):
    """Stops when all of them do, at the same check; `a & b` makes it.

    Args:
        criteria: list of criteria, at least one.

    Raises:
        ValueError: if there is none, or something else among them.

    Example:
    ```python
    criterion = kd.stopping.UpStrips(3) & kd.stopping.TimeBudget(600)
    ```
    """

    def reason(self, state: list[Any]) -> str | None:
        """Why to stop, in words, or None to go on."""
        reasons = self._reasons(state)
        met = [reason for reason in reasons if reason is not None]
        return "; ".join(met) if len(met) == len(reasons) else None


@registered("AnyOf")
class AnyOf(Combination):
    """Stops when one of them does; `a | b` makes it.

    Args:
        criteria: list of criteria, at least one.

    Raises:
        ValueError: if there is none, or something else among them.

    Example:
    ```python
    criterion = kd.stopping.UpStrips(3) | kd.stopping.TimeBudget(600)
    ```
    """

    def reason(self, state: list[Any]) -> str | None:
        """Why to stop, in words, or None to go on."""
        return "; ".join(r for r in self._reasons(state) if r is not None) or None
