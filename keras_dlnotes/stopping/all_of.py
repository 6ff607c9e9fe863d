"""Several criteria, of which all must be met."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.stopping.combination import Combination


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
        reasons = [c.reason(s) for c, s in zip(self.criteria, state, strict=True)]
        met = [reason for reason in reasons if reason is not None]
        return "; ".join(met) if len(met) == len(reasons) else None
