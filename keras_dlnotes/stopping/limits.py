"""Criteria that look at one check alone: a value that is good enough or out of bounds, the time."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.stopping.criterion import (
    Check,
    Criterion,
    Mode,
    Monitored,
    check_above_zero,
    check_finite,
)


@registered("Target")
class Target(Monitored):
    """Stops when the monitored value is as good as wanted.

    Formula: stop when E <= `value`, or E >= `value` for a quantity that is maximized.

    Args:
        value: a finite number.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if `value` is not a finite number, or `mode` is unknown.

    Example:
    ```python
    criterion = kd.stopping.Target(0.98, monitor="val_accuracy") | kd.stopping.Patience(10)
    ```
    """

    def __init__(self, value: float = 0.0, monitor: str | None = None, mode: Mode = "auto") -> None:
        super().__init__(monitor, mode)
        self.value = float(check_finite("value", value))

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """The value, and whether it is good enough."""
        name = self.monitor or check.monitor
        wanted = early_stopping.as_error(self.value, name in check.maximized)
        return {"value": check.values[name], "reached": error <= wanted}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None or not state["reached"]:
            return None
        return f"{state['monitor']} = {state['value']:.6g} reached the target of {self.value:g}"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"value": self.value, **super().get_config()}


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


@registered("TimeBudget")
class TimeBudget(Criterion):
    """Stops at the first check after so many seconds of training.

    Use it for a search in which each run gets its share of the machine. Time counts from the start
    of `fit`, validation included, and goes on counting in a `fit` that continues an earlier one.

    Formula: stop when the seconds trained are at least `seconds`.

    Args:
        seconds: a finite number above 0.

    Raises:
        ValueError: if `seconds` is not such a number.

    Example:
    ```python
    criterion = kd.stopping.UpStrips(3) | kd.stopping.TimeBudget(seconds=600)
    ```
    """

    timed = True

    def __init__(self, seconds: float = 3600.0) -> None:
        self.seconds = check_above_zero("seconds", seconds)

    def update(self, state: dict[str, float] | None, check: Check) -> dict[str, float]:
        """The seconds trained."""
        return {"seconds": check.seconds}

    def reason(self, state: dict[str, float]) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state["seconds"] < self.seconds:
            return None
        return f"training took {state['seconds']:.4g} s of a budget of {self.seconds:.4g} s"

    def measures(self, state: dict[str, float]) -> dict[str, float]:
        """The seconds trained."""
        return {"seconds": state["seconds"]}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seconds": self.seconds}
