"""Keras's criterion."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number
from keras_dlnotes.stopping.criterion import Check, Mode, Monitored, check_finite


@registered("Patience")
class Patience(Monitored):
    """Stops after so many checks in a row without an improvement: what Keras's `patience` does.

    Formula: stop at the first check t at which no error among the last `patience` was below
    E_opt - `min_delta`, with E_opt the lowest before them. 0 and 1 both stop at the first check
    that does not improve. The first check of all has nothing to fall behind and never stops.

    Args:
        patience: number of checks (epochs, unless `every` is set), at least 0.
        min_delta: what an improvement has to exceed.
        baseline: a value that has to be beaten before the count of checks starts anew, or None.
        monitor: name of the quantity, or None for that of the callback.
        mode: `"min"`, `"max"` or `"auto"`, as in Keras.

    Raises:
        ValueError: if `patience` is not a number of at least 0, `min_delta` or `baseline` is no
            finite number, or `mode` is unknown.

    Example:
    ```python
    criterion = kd.stopping.Patience(5) & kd.stopping.Patience(5, monitor="val_accuracy")
    ```
    """

    def __init__(
        self,
        patience: float = 0,
        min_delta: float = 0,
        baseline: float | None = None,
        monitor: str | None = None,
        mode: Mode = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        if not is_real_number(patience) or not patience >= 0:
            raise ValueError(
                "Expected `patience` to be a number of checks, at least 0. "
                f"Received: patience={patience!r}."
            )
        self.patience = as_python_number(patience)
        self.min_delta = abs(check_finite("min_delta", min_delta))
        self.baseline = None if baseline is None else check_finite("baseline", baseline)

    def follow(self, state: dict[str, Any] | None, error: float, check: Check) -> dict[str, Any]:
        """Best error, checks since, and whether this one improved on it."""
        state = state or {"best": float("inf"), "waited": 0}
        name = self.monitor or check.monitor
        baseline = self.baseline
        if baseline is not None:
            baseline = early_stopping.as_error(baseline, name in check.maximized)
        best, waited, improved = early_stopping.wait_for_improvement(
            state["best"], state["waited"], error, self.min_delta, baseline
        )
        best_value = check.values[name] if improved else state.get("best_value")
        return {"best": best, "waited": waited, "improved": improved, "best_value": best_value}

    def reason(self, state: dict[str, Any] | None) -> str | None:
        """Why to stop, in words, or None to go on."""
        if state is None or state["improved"] or state["waited"] < self.patience:
            return None
        if state["best_value"] is None:
            first = state["waited"] == 1
            never = f"{state['monitor']} was not a finite number in {state['waited']} checks"
            return None if first else never
        checks = f"{state['waited']} checks in a row" if state["waited"] > 1 else "one check"
        return f"{state['monitor']} has not improved on {state['best_value']:.6g} for {checks}"

    def measures(self, state: dict[str, Any] | None) -> dict[str, float]:
        """The number of checks without improvement."""
        return {f"{state['monitor']}/checks_without_improvement": state["waited"]} if state else {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "patience": self.patience,
            "min_delta": self.min_delta,
            "baseline": self.baseline,
            **super().get_config(),
        }
