"""Prechelt's three classes of criteria: how far, how fast and how often an error rises."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.stopping.criterion import Check, Mode, Monitored, check_above_zero


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


@registered("ProgressQuotient")
class ProgressQuotient(Monitored):
    r"""Stops when generalization is lost faster than training progresses: Prechelt's PQ.

    Use it when the validation error has several dips: while the training error still falls fast
    a later dip may be lower.

    Formula: at the end of each strip of k checks, with \(GL(t)\) as in `GeneralizationLoss`,

    \(P_k(t) = 1000 \left( \frac{\sum_{t'=t-k+1}^{t} E_{tr}(t')}{k \min_{t'} E_{tr}(t')} - 1
    \right)\); stop when \(\frac{GL(t)}{P_k(t)} > \alpha\).

    - \(E_{tr}\) → the value of `training_monitor`; its mean over an epoch is what Keras reports.
    - \(k\) → `strip`, \(\alpha\) → `alpha`. Prechelt tried α of 0.5, 0.75, 1, 2 and 3, k = 5.

    Args:
        alpha: a finite number above 0.
        strip: number of checks in a strip, at least 1. (With 1 there is no progress to see, and
            any rise stops.)
        training_monitor: name of the training error.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if an argument is not as described.

    Example:
    ```python
    stopper = kd.callbacks.EarlyStopping(criterion=kd.stopping.ProgressQuotient(1.0, strip=5))
    ```

    Reference: Prechelt, "Early Stopping - But When?", 1998, section 2.1.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        strip: int = 5,
        training_monitor: str = "loss",
        monitor: str | None = None,
        mode: Mode = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.alpha = check_above_zero("alpha", alpha)
        self.strip = whole_number("strip", strip, unit="checks")
        if not isinstance(training_monitor, str):
            raise ValueError(
                "Expected `training_monitor` to be the name of the training error in the logs of "
                f"`fit`. Received: training_monitor={training_monitor!r}."
            )
        self.training_monitor = training_monitor

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """Lowest error, the strip's training errors so far, and the quotient of the last strip."""
        state = state or {"lowest": error, "training_errors": [], "progress_quotient": 0.0}
        lowest = min(state["lowest"], error)
        errors = list(state["training_errors"])
        if self.training_monitor in check.raw_errors:
            errors.append(check.raw_errors[self.training_monitor])
        quotient = 0.0
        if len(errors) >= self.strip:
            quotient = early_stopping.progress_quotient(
                early_stopping.generalization_loss(lowest, error),
                early_stopping.training_progress(errors),
            )
            errors = []
        return {"lowest": lowest, "training_errors": errors, "progress_quotient": quotient}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None or not state["progress_quotient"] > self.alpha:
            return None
        return (
            f"{state['monitor']} got worse {state['progress_quotient']:.3g} times as much (percent "
            f"per per mille) as {self.training_monitor} got better, more than alpha = "
            f"{self.alpha:g}"
        )

    def measures(self, state: dict[str, Any] | None) -> dict[str, float]:
        """The quotient of the last strip."""
        if state is None or state["training_errors"]:
            return {}
        return {f"{state['monitor']}/progress_quotient": state["progress_quotient"]}

    def monitors(self) -> list[tuple[str | None, Mode]]:
        """The quantity that it follows, and the training error."""
        return [*super().monitors(), (self.training_monitor, "auto")]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "alpha": self.alpha,
            "strip": self.strip,
            "training_monitor": self.training_monitor,
            **super().get_config(),
        }


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
