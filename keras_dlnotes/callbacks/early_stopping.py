"""Stops training in time, and says why."""

import json
import logging
import time

import keras
from keras.saving import serialize_keras_object

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks import early_stopping_arguments as arguments
from keras_dlnotes.callbacks import inside_fit
from keras_dlnotes.callbacks.monitored_quantities import MonitoredQuantities
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.callbacks.stopping_state import StoppingState, fingerprint
from keras_dlnotes.instrumentation import train_step_number
from keras_dlnotes.numerics import early_stopping

_LOGGER = logging.getLogger(__name__)


class EarlyStopping(keras.callbacks.Callback):
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
    - A second `fit` that goes on with the weights which the first one left goes on with the best
      value and weights too, and with the count of checks, unless it was this callback that ended
      the first: then the criterion starts afresh. A `fit` of another model, or of weights set
      anew, starts from nothing.
    - All of it, best weights included, is saved and restored with the model's weights by
      `BackupAndRestore`, if this callback stands before it in the list.
    - After a `fit` broken off by an exception, `restore()` sets the best weights.

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
        log_dir: write measures, best value and reason to TensorBoard event files here.
        writer: where to write instead, see `keras_dlnotes.summaries.MemoryWriter`.

    Raises:
        ValueError: if an argument is not as described or contradicts another, or the direction of
            a quantity is unknown with `mode="auto"`.

    Reference: deep-learning notes, "Early Stopping"; Prechelt, "Early Stopping - But When?", 1998.
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
        *,
        criterion=None,
        smoothing=0.0,
        every=None,
        validation_data=None,
        best_weights_path=None,
        log_dir=None,
        writer=None,
    ):
        super().__init__()
        monitors, modes = arguments.monitors_and_modes(monitor, mode)
        arguments.check(monitors, start_from_epoch, every, validation_data, best_weights_path)
        criterion = arguments.choose_criterion(
            criterion, monitors, modes, patience, min_delta, baseline
        )
        self.monitor = monitors[0]
        self.mode = modes[0]
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.criterion = criterion
        self.every = every
        self.validation_data = validation_data
        self.best_weights_path = best_weights_path
        self.async_safe = every is None  # Keras need not wait for a step that is not looked at
        wanted = [(name or self.monitor, m) for name, m in criterion.monitors()]
        self._quantities = MonitoredQuantities([(self.monitor, self.mode), *wanted], smoothing)
        self._report = ReportWriter(log_dir, writer)
        settings = [monitors, modes, serialize_keras_object(criterion), smoothing, every]
        self._state = StoppingState(self, json.dumps(settings))
        self._ended = None  # the model that the last fit left, and the fingerprint of its weights
        self._forget()

    def _forget(self):
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list | None = None
        self.wait = 0
        self.stopped_epoch = 0
        self.reason: str | None = None
        self._best_error = float("inf")
        self._best_is_on_disk = False
        self._criterion_state = None
        self._batches = 0
        self._checked_at: int | None = None
        self._seconds = 0.0
        self._clock: float | None = None
        self._quantities.forget()

    @property
    def monitor_op(self):
        """`keras.ops.less` or `keras.ops.greater`, whichever is better; None before it is known."""
        return self._quantities.comparison(self.monitor)

    def set_model(self, model):
        """Takes the model, and has the state saved with its weights while `fit` runs."""
        super().set_model(model)
        self._state.attach(model)

    def on_train_begin(self, logs=None):
        """Goes on where the last `fit` ended, or starts anew."""
        if not self._state.was_loaded:
            if not self._continues():
                self._forget()
            elif self.reason is not None:
                self._criterion_state, self.wait = None, 0
        self.reason = None
        self.stopped_epoch = 0
        self._ended = (self.model, None)  # until on_train_end: it was broken off
        self._clock = time.monotonic()
        self._report.open()

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers which epoch the next steps belong to."""
        self._state.listens = False
        self._epoch = epoch
        self._batch = -1

    def on_train_batch_end(self, batch, logs=None):
        """Checks, if `every` says so."""
        if self.every is None:
            return
        before, self._batches = self._batches, self._batches + batch - self._batch
        self._batch = batch
        if self.reason is None and self._batches // self.every > before // self.every:
            active.fit_batches.sync_variables(self.model)
            self._check(self._epoch, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        """Checks, unless the very last step of the epoch was checked already."""
        if self.reason is None and (self.every is None or self._checked_at != self._batches):
            self._check(epoch, logs or {})

    def on_train_end(self, logs=None):
        """Restores the best weights if asked to, and closes the event file."""
        self._tick()
        self._clock = None
        if self.restore_best_weights:
            self.restore()
        self._report.close()
        self._state.detach(self.model)
        self._ended = (self.model, fingerprint(self.model))

    def restore(self):
        """Sets the best weights seen; leaves the model as it is where there are none."""
        if self.best_weights is None and not self._best_is_on_disk:
            return
        if self.verbose:
            epoch = self.best_epoch + 1
            print(f"Restoring model weights from the end of the best epoch: {epoch}.")
        if self.best_weights_path is None:
            self.model.set_weights(self.best_weights)
        else:
            inside_fit.load_weights(self.model, self.best_weights_path)

    def get_state(self):
        """What is saved with the model's weights: numbers, and the best weights in memory."""
        self._tick()
        return {name: getattr(self, name) for name in _REMEMBERED} | {
            "averages": self._quantities.averages
        }, self.best_weights

    def set_state(self, numbers, arrays):
        """What was saved, or None and None where nothing was."""
        self._forget()
        if numbers is not None:
            self._quantities.averages = numbers.pop("averages")
            for name, value in numbers.items():
                setattr(self, name, value)
            self.best_weights = arrays

    def _check(self, epoch, logs):
        self._checked_at = self._batches
        self._quantities.find_directions(self.model)
        if epoch < self.start_from_epoch:
            return
        if self.validation_data is not None and not any(key.startswith("val_") for key in logs):
            measured = inside_fit.evaluate(self.model, self.validation_data)
            logs = {**logs, **{f"val_{name}": value for name, value in measured.items()}}
        self._tick()
        check = self._quantities.check(logs, self._seconds)
        if self.monitor in check.errors:
            self._keep_best(epoch, check)
        self._criterion_state = self.criterion.update(self._criterion_state, check)
        self.reason = self.criterion.reason(self._criterion_state)
        step = train_step_number(self.model)
        measures = self.criterion.measures(self._criterion_state)
        if self.best is not None:
            measures[f"{self.monitor}/best"] = self.best
        self._report.scalars(step, "early_stopping", measures)
        if self.reason is not None:
            self._stop(epoch, step)

    def _stop(self, epoch, step):
        self.stopped_epoch = epoch
        self.model.stop_training = True
        sentence = f"Epoch {epoch + 1}: early stopping at step {step}: {self.reason}."
        if self.verbose:
            print(f"\n{sentence}")
        _LOGGER.info(sentence)
        self._report.text(step, "early_stopping/reason", sentence)

    def _keep_best(self, epoch, check):
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
        if self.best_weights_path is not None:
            inside_fit.save_weights(self.model, self.best_weights_path)
            self._best_is_on_disk = True
        elif self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def _continues(self):
        """Whether the model stands where the last `fit` left it."""
        if self._ended is None:
            return False
        model, left = self._ended
        now = fingerprint(self.model)
        return model is self.model and now is not None and left in (None, now)

    def _tick(self):
        now = time.monotonic()
        self._seconds += 0.0 if self._clock is None else now - self._clock
        self._clock = now


# What makes the difference between a run that was interrupted and one that was not.
_REMEMBERED = (
    "best",
    "best_epoch",
    "wait",
    "_best_error",
    "_best_is_on_disk",
    "_criterion_state",
    "_batches",
    "_checked_at",
    "_seconds",
)
