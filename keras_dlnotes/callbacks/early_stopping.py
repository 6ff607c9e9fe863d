"""Stops training in time, and says why."""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.messages import tell
from keras_dlnotes.callbacks.averaged_weights import AveragedWeights
from keras_dlnotes.callbacks.best_weights import BestWeights
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.monitored_quantities import (
    MonitoredQuantities,
    check_arguments,
    choose_criterion,
    evaluate,
    monitors_and_modes,
    steps_between_checks,
)
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.callbacks.stopping_state import StoppingState, identity_of
from keras_dlnotes.instrumentation import log_numbers, train_step_number
from keras_dlnotes.numerics import early_stopping
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.stopping.criterion import Check, Criterion, Mode


class EarlyStopping(CopyableCallback):
    r"""Stops training when the validation loss starts to increase, or as a criterion says.

    Use it whenever there are validation data. Keras's arguments mean what they mean in
    `keras.callbacks.EarlyStopping`; those behind the star are new:

    ```python
    kd.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    kd.callbacks.EarlyStopping(
        criterion=kd.stopping.UpStrips(2) | kd.stopping.TimeBudget(600), log_dir="logs/run"
    )
    ```

    Formula: the notes' rule, "stop when the validation loss starts to increase", is Prechelt's
    UP₁, \(E_{va}(t) > E_{va}(t - k)\) at the end of a strip of k checks:
    `criterion=kd.stopping.UpStrips(1, strip=k)`. For the others see `kd.stopping`.

    - A value that is infinite or not a number is never the best one; it counts as infinitely bad.
    - What was best belongs to one run. A `fit` that goes on with a run goes on with the best value
      and weights and the count of checks: one that `BackupAndRestore` resumes, in the same process
      or a new one, or one with `initial_epoch > 0` of the same model under the same `compile`. If
      it was this callback that ended the run before, the count starts anew. Any other `fit` starts
      from nothing, as with Keras's callback; `resume` says otherwise.
    - Place it before `BackupAndRestore` in the list of callbacks, which then saves and restores all
      of it with the model's weights. Behind it the last check before an interruption is lost, of
      which a warning tells.
    - With an optimizer that averages the weights (`use_ema=True`, with or without
      `ema_overwrite_frequency`, also in a `LossScaleOptimizer`) the averages are judged, kept and
      restored, since Keras gives them to the model when `fit` ends. They are in the model from
      validation (without one, from this callback) until the next epoch begins: `val_loss` is
      theirs, and a `ModelCheckpoint` saves them. Quantities of training are the trained weights'.
    - Give it to each of several processes: they stop together. The first one's clock counts.
    - After a `fit` broken off by an exception, `restore()` sets the best weights. Where they cannot
      be written (a full disk, a deleted folder) there is one warning, and they are kept in memory.

    Attributes:
        reason: why training was stopped, in words, or None.
        best, best_epoch: the best value of the (first) monitored quantity, and its epoch.
        wait: number of checks since.
        stopped_epoch: the epoch in which training was stopped, 0 if it was not.

    Args:
        monitor: name of the quantity, or a list of names: then training stops when none of them
            has improved for `patience` checks, and the best weights are those of the first.
        min_delta: what an improvement has to exceed.
        patience: number of checks without improvement after which training stops. With 0 it stops
            at the first check that is no improvement.
        verbose: 1 prints a sentence when training stops, 0 does not.
        mode: `"auto"`, `"min"` or `"max"`; with several quantities, one for all or a list.
        baseline: a value that has to be beaten before patience starts anew.
        restore_best_weights: whether the model ends with the best weights.
        start_from_epoch: number of epochs before the first check.
        criterion: a criterion of `kd.stopping`, in place of `patience`, `min_delta`, `baseline`.
        smoothing: β in [0, 1): monitored quantities are judged by their exponential moving
            average, debiased. 0 for as they are.
        every: check also each so many train steps; `patience` and strips then count all checks.
        validation_data: with `every`, what to evaluate at a step: `(x, y)`, `(x, y, weights)` or
            a data set. Without it only quantities of training can be monitored at a step.
        best_weights_path: keep the best weights in this file (it must end in `.weights.h5`)
            instead of in memory. The file stays.
        resume: `"auto"` goes on with the last run where a `fit` continues it, see above; `True` in
            every `fit` of the same model; `False` never, but where `BackupAndRestore` resumes.
        log_dir: write measures, best value and reason to TensorBoard event files here. A second
            run writes to `run_2` in it, see `TrainingMonitor`.
        writer: where to write instead, see `keras_dlnotes.summaries.MemoryWriter`.

    Raises:
        ValueError: if an argument is not as described or contradicts another, or the direction of
            a quantity is unknown with `mode="auto"`.
        OSError: when `fit` starts, if no file can be made in `log_dir` or `best_weights_path`.

    Reference: deep-learning notes, "Early Stopping"; Prechelt, "Early Stopping - But When?", 1998.
    """

    of_a_fit = ("_state", "_run", "_averages")
    shared = ("validation_data",)

    def __init__(
        self,
        monitor: str | Sequence[str] = "val_loss",
        min_delta: float = 0,
        patience: float = 0,
        verbose: int = 0,
        mode: Mode | Sequence[Mode] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        *,
        criterion: Criterion | None = None,
        smoothing: float = 0.0,
        every: int | None = None,
        validation_data: Any = None,
        best_weights_path: str | os.PathLike[str] | None = None,
        resume: bool | Literal["auto"] = "auto",
        log_dir: str | os.PathLike[str] | None = None,
        writer: Any = None,
    ) -> None:
        super().__init__()
        monitors, modes = monitors_and_modes(monitor, mode)
        every = steps_between_checks(every)
        check_arguments(monitors, resume, every, validation_data, best_weights_path)
        criterion = choose_criterion(criterion, monitors, modes, patience, min_delta, baseline)
        self.monitor, self.mode = monitors[0], modes[0]
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = whole_number("start_from_epoch", start_from_epoch, 0, "epochs")
        self.criterion = criterion
        self.smoothing = smoothing
        self.every = every
        self.validation_data = validation_data
        self.resume = resume
        self.log_dir = log_dir
        self.writer = writer
        self.async_safe = every is None  # Keras need not wait for a step that is not looked at
        wanted = [(name or self.monitor, m) for name, m in criterion.monitors()]
        self._quantities = MonitoredQuantities([(self.monitor, self.mode), *wanted], smoothing)
        self._report = ReportWriter("early stopping", writer)
        self._identity = identity_of(criterion, monitors, modes, smoothing, every)
        self._best = BestWeights(best_weights_path)
        self._state: Any = None
        self._run: Any = None  # the model of the last run, and what its `compile` made
        self._averages: Any = None  # while `fit` runs
        self._begun = False
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self.wait = 0
        self.stopped_epoch = 0
        self.reason: str | None = None
        self._best.forget()
        self._trained: list[Any] | None = None  # weights that a saved run was about to go on with
        self._best_error = float("inf")
        self._criterion_state = None
        self._batches = 0
        self._checked_at: int | None = None
        self._next_epoch: float = 0
        self._seconds = 0.0
        self._clock: float | None = None
        self._quantities.forget()

    @property
    def best_weights(self) -> list[Any] | None:
        """The best weights, where they are kept in memory, or None."""
        return self._best.arrays

    @property
    def best_weights_path(self) -> str | os.PathLike[str] | None:
        """The file in which the best weights are kept, or None."""
        return self._best.path

    @property
    def monitor_op(self) -> Callable[..., Any] | None:
        """`keras.ops.less` or `keras.ops.greater`, whichever is better; None before it is known."""
        return self._quantities.comparison(self.monitor)

    def set_model(self, model: keras.Model) -> None:
        """Takes the model, and has the state saved with its weights while `fit` runs."""
        super().set_model(model)
        self._trained = None  # of a load after which no epoch began
        left, self._averages = self._averages, None
        if left is not None:
            left.take_out_of(model)  # a `fit` that raised during validation
        self._state = StoppingState(self, self._identity)
        self._state.attach(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks whether what is to be written can be, and starts the clock."""
        self._begun = False
        # All that decides when a process waits here for the others.
        when = f"{self.start_from_epoch}, {self.resume}, {self.validation_data is not None}"
        active.processes.meet(f"EarlyStopping, {self._identity}, {when}")
        self._best.check(self.model)
        self._report.close()
        self._clock = time.monotonic()
        self._averages = AveragedWeights(self)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Goes on with the last run or starts anew, and remembers to which epoch steps belong."""
        if not self._begun:
            self._begin(epoch)
        self._state.listens = False
        self._averages.take_out()
        self._epoch = epoch
        self._batch = -1

    def _begin(self, epoch: int) -> None:
        # Only now it is known in which epoch this `fit` starts, and what was restored before it.
        self._begun = True
        clock = self._clock
        if not self._continues(epoch):
            self._forget()
        elif self.reason is not None:
            self._criterion_state, self.wait = None, 0
        elif self._state.was_loaded and self._next_epoch < epoch:
            warnings.warn(
                "EarlyStopping has not judged the last epoch before the interruption, because "
                "BackupAndRestore stands before it in the list of callbacks and saved the run "
                "first. Put EarlyStopping before BackupAndRestore.",
                stacklevel=2,
            )
        self._clock = clock
        self._averages.trained, self._trained = self._trained, None
        self.reason = None
        self.stopped_epoch = 0
        self._run = (self.model, _compiled(self.model))
        self._report.open(self, self.log_dir, epoch)

    def _continues(self, epoch: int) -> bool:
        """Whether this `fit`, which starts in that epoch, goes on with the last run."""
        if self._state.was_loaded:
            return True
        if self._run is None or self._run[0] is not self.model or self.resume is False:
            return False
        return self.resume is True or (epoch > 0 and self._run[1] is _compiled(self.model))

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Lets the validation of `fit` judge what the user will predict with."""
        active.processes.note_trained(self.model)
        if self._averages is not None:
            self._averages.put_in()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks, if `every` says so."""
        if self.every is None:
            return
        before, self._batches = self._batches, self._batches + batch - self._batch
        self._batch = batch
        if self.reason is None and self._batches // self.every > before // self.every:
            active.train_function.sync_variables(self.model)
            self._check(self._epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks, unless the very last step of the epoch was checked already."""
        if not self._begun:  # a loop of the user's own that tells of the ends of epochs alone
            self.on_epoch_begin(epoch)
        self._averages.put_in()
        self._next_epoch = epoch + 1
        if self.reason is None and (self.every is None or self._checked_at != self._batches):
            self._check(epoch, logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restores the best weights if asked to, and closes the event file."""
        self._tick()
        self._clock = None
        self._averages = None
        if self.restore_best_weights and (self._begun or self._state.was_loaded):
            self.restore()
        self._report.close()
        self._state.detach(self.model)

    def restore(self) -> None:
        """Sets the best weights seen; leaves the model as it is where there are none."""
        if not self._best.restore(self.model):
            return
        if self._averages is not None:
            self._averages.trained = None  # what was restored stays
        if self.verbose and active.processes.is_chief(self.model):
            epoch = self.best_epoch + 1
            tell(f"Restoring model weights from the end of the best epoch: {epoch}.")

    def get_state(self) -> tuple[dict[str, Any], list[Any] | None]:
        """What is saved with the model's weights: numbers and arrays."""
        self._tick()
        best, trained = self._best.arrays, self._averages and self._averages.trained
        numbers = {name: getattr(self, name) for name in _REMEMBERED} | {
            "averages": self._quantities.averages,
            "_best_is_on_disk": self._best.is_on_disk,
            "trained_count": len(trained or ()),
        }
        return numbers, best if trained is None else [*(best or ()), *trained]

    def set_state(self, numbers: dict[str, Any] | None, arrays: list[Any] | None) -> None:
        """What was saved, or None and None where nothing was."""
        clock = self._clock
        self._forget()
        self._clock = clock
        self._next_epoch = float("inf")  # not in the files of earlier versions
        if numbers is None:
            return
        self._quantities.averages = numbers["averages"]
        self._best.is_on_disk = numbers["_best_is_on_disk"]
        for name in _REMEMBERED:
            if name in numbers:
                setattr(self, name, numbers[name])
        count = len(arrays or ()) - numbers.get("trained_count", 0)
        self._best.arrays = (arrays or [])[:count] or None
        self._trained = (arrays or [])[count:] or None

    def _check(self, epoch: int, logs: dict[str, Any]) -> None:
        self._checked_at = self._batches
        self._quantities.find_directions(self.model)
        if epoch < self.start_from_epoch:
            return
        with self._averages.in_model():
            if self.validation_data is not None and not any(key.startswith("val_") for key in logs):
                measured = evaluate(self.model, self.validation_data)
                logs = {**logs, **{f"val_{name}": value for name, value in measured.items()}}
            self._tick()
            if active.processes.keeps_logs_apart():
                logs = active.processes.mean_logs(self.model, log_numbers(logs))
            check = self._quantities.check(logs, self._seconds)
            if self.monitor in check.errors:
                self._keep_best(epoch, check)
        self._criterion_state = self.criterion.update(self._criterion_state, check)
        reason = self.criterion.reason(self._criterion_state)
        # A process that stopped alone would leave the others waiting.
        self.reason = active.processes.reason_of_chief(self.model, reason, self.criterion.timed)
        measures = self.criterion.measures(self._criterion_state)
        step = train_step_number(self.model)
        if self.best is not None:
            measures[f"{self.monitor}/best"] = self.best
        self._report.scalars(step, "early_stopping", measures)
        if self.reason is not None:
            self._stop(epoch, step)

    def _stop(self, epoch: int, step: int) -> None:
        self.stopped_epoch = epoch
        self.model.stop_training = True
        sentence = f"Epoch {epoch + 1}: early stopping at step {step}: {self.reason}."
        tell(f"\n{sentence}", bool(self.verbose) and active.processes.is_chief(self.model))
        self._report.text(step, "early_stopping/reason", sentence)

    def _keep_best(self, epoch: int, check: Check) -> None:
        baseline = self.baseline
        if baseline is not None:
            baseline = early_stopping.as_error(baseline, self.monitor in check.maximized)
        self._best_error, self.wait, improved = early_stopping.wait_for_improvement(
            self._best_error, self.wait, check.errors[self.monitor], self.min_delta, baseline
        )
        if not improved:
            return
        self.best = check.values[self.monitor]
        self.best_epoch = epoch
        if self.best_weights_path is not None or self.restore_best_weights:
            self._best.keep(self.model)

    def _tick(self) -> None:
        now = time.monotonic()
        self._seconds += 0.0 if self._clock is None else now - self._clock
        self._clock = now


# What makes the difference between a run that was interrupted and one that was not.
_REMEMBERED = (
    "best",
    "best_epoch",
    "wait",
    "_best_error",
    "_criterion_state",
    "_batches",
    "_checked_at",
    "_next_epoch",
    "_seconds",
)


def _compiled(model: keras.Model) -> Any:
    """Something that each `compile` makes anew."""
    return internals.compile_config.of(model, None)
