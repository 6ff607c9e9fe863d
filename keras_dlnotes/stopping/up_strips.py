"""Prechelt's third class of criteria."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Mode
from keras_dlnotes.stopping.monitored import Monitored


@registered("UpStrips")
class UpStrips(Monitored):
    r"""Stops when the validation error has risen over several strips in a row: Prechelt's UP.

    `UpStrips(1)` is the notes' rule, "stop training when the validation loss starts to increase",
    which Prechelt calls UP₁. It looks at the sign of changes only, not at how high the error is.

    Formula: UP₁ stops at the first end of a strip with \(E_{va}(t) > E_{va}(t - k)\); UPₛ when
    UPₛ₋₁ would have stopped at \(t - k\) and \(E_{va}(t) > E_{va}(t - k)\).

    - \(E_{va}\) → the monitored value; \(k\) → `strip`; \(s\) → `successive`. Prechelt tried s of
      2, 3, 4, 6 and 8, with k = 5.

    Args:
        successive: number of rises in a row, at least 1.
        strip: number of checks in a strip, at least 1.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if an argument is not as described.

    Example:
    ```python
    stopper = kd.callbacks.EarlyStopping(criterion=kd.stopping.UpStrips(2, strip=5))
    ```

    Reference: Prechelt, "Early Stopping - But When?", 1998, section 2.1.
    """

    def __init__(
        self, successive: int = 1, strip: int = 5, monitor: str | None = None, mode: Mode = "auto"
    ) -> None:
        super().__init__(monitor, mode)
        self.successive = whole_number("successive", successive, unit="rises")
        self.strip = whole_number("strip", strip, unit="checks")

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """Place in the strip, error at the end of the last one, and rises in a row."""
        state = state or {"place": 0, "previous": float("inf"), "rises": 0}
        place = state["place"] + 1
        if place < self.strip:
            return {**state, "place": place}
        rises = early_stopping.successive_rises(state["rises"], state["previous"], error)
        return {"place": 0, "previous": error, "rises": rises}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None or state["rises"] < self.successive:
            return None
        times = f"{state['rises']} times in a row" if state["rises"] > 1 else "once"
        return f"{state['monitor']} got worse from one strip of {self.strip} to the next {times}"

    def measures(self, state: dict[str, Any] | None) -> dict[str, float]:
        """The number of rises in a row."""
        return {f"{state['monitor']}/successive_rises": state["rises"]} if state else {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"successive": self.successive, "strip": self.strip, **super().get_config()}
