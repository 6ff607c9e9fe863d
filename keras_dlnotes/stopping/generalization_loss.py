"""Prechelt's first class of criteria."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Mode
from keras_dlnotes.stopping.monitored import Monitored
from keras_dlnotes.stopping.threshold import check_above_zero


@registered("GeneralizationLoss")
class GeneralizationLoss(Monitored):
    r"""Stops when the validation error has risen too far above its lowest: Prechelt's GL.

    Use it for a quick end; one bad epoch suffices, so smooth a noisy validation error.

    Formula: \(GL(t) = 100 \left( \frac{E_{va}(t)}{E_{opt}(t)} - 1 \right)\); stop at the first
    check with \(GL(t) > \alpha\).

    - \(E_{va}(t)\) → the monitored value at check t (with its sign turned if it is maximized; then
      the loss is relative to \(|E_{opt}|\)).
    - \(E_{opt}(t)\) → the lowest of them up to t.
    - \(\alpha\) → `alpha`, in percent. Prechelt tried 1, 2, 3 and 5.

    Args:
        alpha: a finite number above 0.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if an argument is not as described.

    Example:
    ```python
    stopper = kd.callbacks.EarlyStopping(criterion=kd.stopping.GeneralizationLoss(5))
    ```

    Reference: Prechelt, "Early Stopping - But When?", 1998, section 2.1.
    """

    def __init__(self, alpha: float = 5.0, monitor: str | None = None, mode: Mode = "auto") -> None:
        super().__init__(monitor, mode)
        self.alpha = check_above_zero("alpha", alpha)

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """Lowest error and generalization loss."""
        lowest = min(state["lowest"], error) if state else error
        loss = early_stopping.generalization_loss(lowest, error)
        return {"lowest": lowest, "generalization_loss": loss}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None or not state["generalization_loss"] > self.alpha:
            return None
        return (
            f"{state['monitor']} is {state['generalization_loss']:.3g} % worse than its best, more "
            f"than alpha = {self.alpha:g} %"
        )

    def measures(self, state: dict[str, Any] | None) -> dict[str, float]:
        """The generalization loss in percent."""
        name = "generalization_loss"
        return {f"{state['monitor']}/{name}": state[name]} if state else {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, **super().get_config()}
