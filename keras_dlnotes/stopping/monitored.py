"""What criteria share that look at one monitored quantity."""

import abc
from typing import Any

from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Criterion, Mode


class Monitored(Criterion, abc.ABC):
    """A criterion that follows one quantity.

    Args:
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if an argument is not as described.
    """

    def __init__(self, monitor: str | None = None, mode: Mode = "auto") -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"Expected `mode` to be 'auto', 'min' or 'max'. Received: mode={mode!r}."
            )
        if not isinstance(monitor, str | None):
            raise ValueError(
                "Expected `monitor` to be the name of a quantity in the logs of `fit`, or None for "
                f"that of the callback. Received: monitor={monitor!r}."
            )
        self.monitor = monitor
        self.mode = mode

    @abc.abstractmethod
    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """The new state, a dict, from the present error; `state` is None at the start."""

    def update(self, state: dict[str, Any] | None, check: Check) -> dict[str, Any] | None:
        """The state after one more check."""
        name = self.monitor or check.monitor
        if name not in check.errors:
            return state
        return {"monitor": name, **self.follow(state, check.errors[name], check)}

    def monitors(self) -> list[tuple[str | None, Mode]]:
        """The quantity that it follows."""
        return [(self.monitor, self.mode)]

    def get_config(self) -> dict[str, Any]:
        """The arguments that all of them have."""
        return {"monitor": self.monitor, "mode": self.mode}
