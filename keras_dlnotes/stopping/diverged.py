"""Training that has run away."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Mode
from keras_dlnotes.stopping.monitored import Monitored
from keras_dlnotes.stopping.threshold import check_above_zero


@registered("Diverged")
class Diverged(Monitored):
    """Stops when the monitored value is infinite or not a number, or has run out of bounds.

    Use it beside another criterion, which would wait for an improvement that cannot come.

    Formula: stop when E is not finite, or |E| > `limit`.

    Args:
        limit: the largest magnitude that counts as sound, or None for any finite one.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if `limit` is not a finite number above 0, or `mode` is unknown.

    Example:
    ```python
    criterion = kd.stopping.Patience(20) | kd.stopping.Diverged(monitor="loss")
    ```
    """

    def __init__(
        self, limit: float | None = None, monitor: str | None = None, mode: Mode = "auto"
    ) -> None:
        super().__init__(monitor, mode)
        self.limit = None if limit is None else check_above_zero("limit", limit)

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """The value; infinity where it is not a number."""
        return {"magnitude": abs(error)}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None:
            return None
        if state["magnitude"] == float("inf"):
            return f"{state['monitor']} is not a finite number"
        if self.limit is not None and state["magnitude"] > self.limit:
            return f"{state['monitor']} is beyond {self.limit:g} in magnitude"
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"limit": self.limit, **super().get_config()}
