"""A limit on training time."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Criterion
from keras_dlnotes.stopping.threshold import check_above_zero


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
