"""What early stopping looks at: its arguments, the quantities in logs, and which way is up."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.instrumentation import log_numbers
from keras_dlnotes.instrumentation.log_numbers import one_number
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import as_python_number, is_real_number, whole_number
from keras_dlnotes.stopping import AllOf, Patience
from keras_dlnotes.stopping.criterion import Check, Criterion, Mode, check_criterion


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


def evaluate(model: keras.Model, data: Any) -> dict[str, float]:
    """`model.evaluate` without a trace in the running epoch.

    Args:
        model: a model that `fit` is training.
        data: `(x, y)`, `(x, y, sample_weight)` or a data set.

    Returns:
        Dict from the name of each metric that is one number to its value.
    """
    active.train_function.sync_variables(model)
    # Evaluation resets the very metrics in which training adds up its own.
    variables = [variable for metric in model.metrics for variable in metric.variables]
    before = [ops.convert_to_numpy(variable).copy() for variable in variables]
    arrays = isinstance(data, tuple | list)
    x, y, sample_weight = (
        keras.utils.unpack_x_y_sample_weight(data) if arrays else (data, None, None)
    )
    measured = model.evaluate(x, y, sample_weight=sample_weight, verbose=0, return_dict=True)
    measured = log_numbers(measured)
    if active.processes.keeps_logs_apart():  # while the metrics know how many examples there were
        measured = active.processes.mean_logs(model, measured)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    if keras.backend.backend() == "torch":
        model.train()  # layers of torch's own look at the mode that evaluation has switched
    return measured


def monitors_and_modes(
    monitor: str | Sequence[str], mode: Mode | Sequence[Mode]
) -> tuple[list[str], list[Mode]]:
    """The names of the monitored quantities and the direction of each, two lists."""
    monitors: list[Any] = list(monitor) if isinstance(monitor, list | tuple) else [monitor]
    modes: list[Any] = list(mode) if isinstance(mode, list | tuple) else [mode] * len(monitors)
    named = monitors and all(isinstance(name, str) for name in monitors)
    if not named or len(monitors) != len(modes):
        raise ValueError(
            "Expected `monitor` to be a name or a list of names, and `mode` one mode for all or a "
            f"list of as many. Received: monitor={monitor!r}, mode={mode!r}."
        )
    if not all(each in ("auto", "min", "max") for each in modes):
        raise ValueError(f"Expected `mode` to be 'auto', 'min' or 'max'. Received: mode={mode!r}.")
    return monitors, modes


def steps_between_checks(every: Any) -> int | None:
    """The argument `every` as Python's own number; None for the ends of epochs only."""
    if every is None:
        return None
    advice = "Pass None to check at the end of each epoch only."
    return whole_number("every", every, unit="train steps", advice=advice)


def check_arguments(
    monitors: list[str],
    resume: Any,
    every: int | None,
    validation_data: Any,
    best_weights_path: Any,
) -> None:
    """Says what is wrong with the arguments of `EarlyStopping` before `fit` starts."""
    if resume not in ("auto", True, False):
        raise ValueError(
            "Expected `resume` to be 'auto', True or False: whether a `fit` goes on with what was "
            f"best in the last one. Received: resume={resume!r}."
        )
    if every is not None and validation_data is None and monitors[0].startswith("val_"):
        raise ValueError(
            f"Expected `validation_data` beside `every`, to measure {monitors[0]!r} in the middle "
            "of an epoch. Received: validation_data=None. Pass it here as well as to `fit`, or "
            "monitor a quantity of training, such as 'loss'."
        )
    if best_weights_path is not None and not str(best_weights_path).endswith(".weights.h5"):
        raise ValueError(
            "Expected `best_weights_path` to be a path that ends in '.weights.h5', as Keras "
            f"demands. Received: best_weights_path={best_weights_path!r}."
        )


def choose_criterion(
    criterion: Criterion | None,
    monitors: list[str],
    modes: list[Mode],
    patience: float,
    min_delta: float,
    baseline: float | None,
) -> Criterion:
    """The criterion that was given, or what Keras's arguments mean."""
    if criterion is None:
        pairs = zip(monitors, modes, strict=True)
        parts = [Patience(patience, min_delta, baseline, name, mode) for name, mode in pairs]
        return parts[0] if len(parts) == 1 else AllOf(parts)
    check_criterion("criterion", criterion)
    if (patience, min_delta, baseline) != (0, 0, None) or len(monitors) > 1:
        raise ValueError(
            "Expected `criterion` beside one `monitor` and without `patience`, `min_delta` and "
            "`baseline`, which belong into kd.stopping.Patience. Received: criterion="
            f"{criterion!r}, monitor={monitors}, patience={patience}, min_delta={min_delta}, "
            f"baseline={baseline}."
        )
    return criterion
