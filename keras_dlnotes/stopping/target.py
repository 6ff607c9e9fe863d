"""Good enough."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Mode
from keras_dlnotes.stopping.monitored import Monitored
from keras_dlnotes.stopping.threshold import check_finite


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
