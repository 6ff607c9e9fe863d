"""Several criteria, of which one must be met."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.stopping.combination import Combination


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
        reasons = [c.reason(s) for c, s in zip(self.criteria, state, strict=True)]
        return "; ".join(r for r in reasons if r is not None) or None
