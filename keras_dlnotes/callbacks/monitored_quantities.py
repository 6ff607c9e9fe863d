"""The quantities that early stopping looks at: which are there, and which way is up."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation.log_numbers import one_number
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number
from keras_dlnotes.stopping.check import Check
from keras_dlnotes.stopping.criterion import Mode


class MonitoredQuantities:
    """Takes monitored quantities out of Keras's logs.

    Args:
        wanted: list of `(name, mode)`; the first is the callback's own.
        smoothing: β in [0, 1) of the average by which they are judged.

    Raises:
        ValueError: if `smoothing` is out of bounds, or one quantity is wanted in two directions.
    """

    def __init__(self, wanted: list[tuple[str, Mode]], smoothing: float) -> None:
        if not is_real_number(smoothing) or not 0 <= smoothing < 1:
            raise ValueError(
                "Expected `smoothing` to be a number in [0, 1), 0 for none. "
                f"Received: smoothing={smoothing!r}."
            )
        self._first = wanted[0][0]
        self._modes: dict[str, str] = {}
        for name, mode in wanted:
            known = self._modes.get(name, "auto")
            if "auto" not in (known, mode) and known != mode:
                raise ValueError(
                    f"Expected one direction for {name!r}. Received: mode={known!r} and "
                    f"mode={mode!r}. Give all criteria that monitor it the same mode."
                )
            self._modes[name] = mode if known == "auto" else known
        self._smoothing = as_python_number(smoothing)
        self.forget()

    def forget(self) -> None:
        """Forgets all that belongs to one run: averages, directions, and what was warned of."""
        self.averages: dict[str, list[Any]] = {}  # name to (average, count)
        self._comparisons: dict[str, Any] = {}
        self._missed: set[str] = set()

    def comparison(self, name: str) -> Callable[..., Any] | None:
        """`keras.ops.less` or `keras.ops.greater`; None before `find_directions`."""
        return self._comparisons.get(name)

    def find_directions(self, model: keras.Model) -> None:
        """Asks Keras which way is up, once the model's metrics are there."""
        for name, mode in self._modes.items():
            if name not in self._comparisons:
                keras_own = keras.callbacks.EarlyStopping(monitor=name, mode=mode)
                keras_own.set_model(model)
                internals.find_direction(keras_own)
                self._comparisons[name] = keras_own.monitor_op

    def check(self, logs: Mapping[str, Any], seconds: float) -> Check:
        """The quantities that are in the logs, as a `Check`."""
        values, errors, raw_errors = {}, {}, {}
        maximized = {n for n, op in self._comparisons.items() if op is keras.ops.greater}
        for name in self._modes:
            value = one_number(logs.get(name))
            if value is None:
                self._warn_once(name, logs)
                continue
            larger_is_better = name in maximized
            raw_errors[name] = early_stopping.as_error(value, larger_is_better)
            if self._smoothing > 0.0:
                value = self._smooth(name, value)
            values[name] = value
            errors[name] = early_stopping.as_error(value, larger_is_better)
        return Check(self._first, values, errors, raw_errors, maximized, seconds)

    def _smooth(self, name: str, value: float) -> float:
        if not np.isfinite(value):
            return value  # and the average goes on without it
        average, count = self.averages.get(name, (0.0, 0))
        average, count, smoothed = early_stopping.debiased_average(
            average, count, value, self._smoothing
        )
        self.averages[name] = [average, count]
        return smoothed

    def _warn_once(self, name: str, logs: Mapping[str, Any]) -> None:
        if name in self._missed:
            return
        self._missed.add(name)
        if logs.get(name) is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{name}` which is not available. "
                f"Available metrics are: {','.join(map(str, logs))}",
                stacklevel=2,
            )
        else:
            shape = getattr(logs[name], "shape", None)
            warnings.warn(
                f"Early stopping expected `{name}` to be one number, and goes on without it. "
                f"Received: {type(logs[name]).__name__}{'' if shape is None else tuple(shape)}. "
                "Average it, for instance with keras.metrics.F1Score(average='macro').",
                stacklevel=2,
            )
