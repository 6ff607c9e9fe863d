"""Checks a model's gradients while it trains."""

import inspect
import os
import re
import warnings
from collections.abc import Collection
from typing import Any, Literal

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.gradient_check import GradientReport, check_gradients
from keras_dlnotes.instrumentation import NextBatch, train_step_number
from keras_dlnotes.numerics.number_arguments import whole_number

_ACTIONS = ("warn", "raise", "stop")


class GradientCheck(CopyableCallback):
    r"""Compares the model's gradients with differences of its loss, at chosen steps of `fit`.

    Use it for the first runs of a network with a custom layer, loss or `keras.ops.custom_gradient`,
    and take it out again: as the notes say, the check is expensive. A gradient can be right at the
    start, where many weights are 0, and wrong later; so both are checked.

    Formula: the derivative of the loss J by the weights \(\theta\) along a direction d,

    \(\frac{J(\theta + \epsilon d) - J(\theta - \epsilon d)}{2 \epsilon}\)

    against \(\nabla J(\theta)^T d\), in float64, for random d over each variable and, where they
    differ, for single coordinates; see `keras_dlnotes.check_gradients`.

    The training goes on as if nothing had been: weights, optimizer, metrics, seeds and moving
    averages are bit for bit what they were.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)` to check on; None for the batch that is about to
            be trained on.
        at: when: "start", and "after:100" for after 100 steps of this `fit`. What a short training
            does not reach is checked at its end.
        samples: so many examples of the data are used; None for all of them, which a model with a
            fixed batch size needs.
        action: what to do about a wrong gradient: "warn", "raise" an AssertionError, or "stop" the
            training with a warning. Where nothing could be tested, as every derivative is 0, it
            warns.
        log_dir: folder for TensorBoard, whose text tab then shows the report; None for none.
        **options: further arguments of `check_gradients`: `second_order`, `directions` and others.

    Attributes:
        reports: dict from "start", "after:100" to the `GradientReport`; None where the check could
            not be made, of which a warning tells.

    Raises:
        TypeError: if an option is none of `check_gradients`.
        ValueError: if an argument is not as described.

    Example:
    ```python
    check = kd.callbacks.GradientCheck(action="raise", log_dir="logs/check")
    model.fit(x, y, callbacks=[check])
    print(check.reports["start"])
    ```

    Reference: deep-learning notes, "Gradient Checking".
    """

    of_a_fit = ("_next_batch", "_batch")
    shared = ("data",)

    def __init__(
        self,
        data: tuple[Any, ...] | list[Any] | None = None,
        at: str | Collection[str] = ("start", "after:100"),
        samples: int | None = 32,
        action: Literal["warn", "raise", "stop"] = "warn",
        log_dir: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if action not in _ACTIONS:
            raise ValueError(f"`action` must be one of {_ACTIONS}. Received: action={action!r}.")
        if samples is not None:
            advice = "Pass None for all of them."
            samples = whole_number("samples", samples, unit="examples", advice=advice)
        if not (data is None or (isinstance(data, tuple | list) and len(data) in (2, 3))):
            raise ValueError(
                "`data` must be (x, y) or (x, y, sample_weight), or None for the next batch. "
                f"Received: data of type {type(data).__name__}."
            )
        unknown = set(options) - set(inspect.signature(check_gradients).parameters)
        if unknown:
            raise TypeError(
                "Expected further arguments of `check_gradients`. Received: "
                f"{', '.join(sorted(unknown))}."
            )
        self.data = data
        self.at = tuple(at) if isinstance(at, tuple | list | set) else (at,)
        self.samples = samples
        self.action = action
        self.log_dir = log_dir
        self._report = ReportWriter("gradient check")
        self.reports: dict[str, GradientReport | None] = {}
        self._steps_of_names = {name: _step(name) for name in self.at}
        self._options = options
        self._next_batch: NextBatch | None = None
        self._batch = data

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts to count steps."""
        self._remove()
        self.reports = {}
        self._steps_done = 0
        self._batch = self.data
        self._report.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Opens the event file when the first epoch begins."""
        self._report.open(self, self.log_dir, epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks what is due before this step."""
        self._first_of_execution = batch
        due = [
            name
            for name, step in self._steps_of_names.items()
            if step <= self._steps_done and name not in self.reports
        ]
        if not due:
            return
        if self.data is not None:
            active.train_function.sync_variables(self.model)
            self._check(due, self.data)
        else:
            self._next_batch = NextBatch(self.model, lambda data: self._check(due, data))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps, of which one execution may have taken several."""
        self._steps_done += batch - self._first_of_execution + 1

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Checks what the training was too short for."""
        self._remove()
        left = [name for name in self.at if name not in self.reports]
        if left and self._batch is not None:
            self._check(left, self._batch)
        self._report.close()

    def _remove(self) -> None:
        if self._next_batch is not None:
            self._next_batch.remove()  # a fit that raised may have left it
            self._next_batch = None

    def _check(self, names: list[str], data: Any) -> None:
        self._batch = data
        failure = None
        try:
            wrong = self._found_wrong(names, data)
        except Exception as error:
            failure, wrong = error, True
        # Several processes stop together, or those that go on would wait for the others.
        anywhere = self.action in ("stop", "raise") and active.processes.any_process(wrong)
        if failure is not None:
            raise failure
        if anywhere and self.action == "raise":
            raise RuntimeError(
                "The gradient check of another process found a fault; see its error."
            )
        if anywhere:
            self.model.stop_training = True

    def _found_wrong(self, names: list[str], data: Any) -> bool:
        """Checks; whether a gradient is wrong."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y, sample_weight = keras.tree.map_structure(
            lambda leaf: leaf if leaf is None else leaf[: self.samples], (x, y, sample_weight)
        )
        try:
            report = check_gradients(self.model, x, y, sample_weight, **self._options)
        except Exception as error:
            if self.action == "raise":
                raise
            self.reports |= dict.fromkeys(names)
            warnings.warn(
                f"The gradients could not be checked: {type(error).__name__}: {error}", stacklevel=2
            )
            return False
        self.reports |= dict.fromkeys(names, report)
        for name in names:
            step = train_step_number(self.model)
            self._report.text(step, f"gradient_check/{name}", report.markdown())
        if report.passed:
            return False
        if self.action == "raise" and report.failures:
            report.raise_if_failed()
        # Also where nothing was tested, which is no wrong gradient.
        warnings.warn(f"At step {self._steps_done} of this fit: {report}", stacklevel=2)
        return bool(report.failures)


def _step(name: str) -> int:
    """The number of steps before which "start" or "after:100" is due."""
    match = re.fullmatch(r"start|after:(\d+)", str(name))
    if match is None:
        raise ValueError(
            '`at` must hold "start" or "after:N" with a whole number of steps N. '
            f"Received: {name!r}."
        )
    return int(match[1] or 0)
