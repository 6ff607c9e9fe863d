"""Writes every layer's activations and gradients to TensorBoard from inside the train step."""

import atexit
import os
import time
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.cost_meter import CostMeter
from keras_dlnotes.callbacks.layer_scalars import CHOICES, Charts, layer_scalars
from keras_dlnotes.callbacks.notebook_view import monitor_html, monitor_text
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.instrumentation import StepRecord, Subscription, TrainStepObserver, log_numbers
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.summaries.event_file_writer import checked_megabytes

# Rows wait on the device until so many have gathered or so many seconds have passed: each trip
# to the host waits for the device, and a reader does not look more often.
_ROWS_PER_DELIVERY = 16
_SECONDS_PER_DELIVERY = 10.0
_PERIOD = "Pass 1 to record every step, 10 to record every tenth."


class TrainingMonitor(CopyableCallback):
    r"""Shows in TensorBoard what happens inside every layer while `fit` runs.

    Use it when a network does not train and you want to see why: activations that shrink from
    layer to layer, gradients that vanish or explode, dead units, updates too small or too large.

    Measured are the tensors of the very pass that trains: no second forward or backward pass.
    A step that is not recorded runs Keras's own train function, untouched; a recorded one runs a
    twin, compiled on its own, that does the same and reduces each tensor to a few numbers.

    For a layer's output or a variable's gradient \(x\) with \(n\) elements:

    | tag | formula |
    |---|---|
    | `activations/<layer>/mean` | \(\mu = \frac{1}{n} \sum_i x_i\) |
    | `activations/<layer>/standard_deviation` | \(\sqrt{\frac{1}{n} \sum_i (x_i - \mu)^2}\) |
    | `activations/<layer>/minimum`, `maximum` | \(\min_i x_i\), \(\max_i x_i\) |
    | `activations/<layer>/zero_fraction` | share of \(x_i = 0\): dead units after a ReLU |
    | `activations/<layer>/saturated_fraction` | share of outputs at which the slope of tanh, |
    | | sigmoid or softsign is below 5 % of its largest value |
    | `activations/<layer>/non_finite_count` | number of \(x_i\) that are infinite or NaN |
    | `gradients/<variable>/mean`, `standard_deviation`, `norm`, `largest_magnitude`, | |
    | `non_finite_count` | likewise; \(\|g\|_2\); \(\max_i \|g_i\|\) |
    | `weights/<variable>/norm` | \(\|w\|_2\) before the step |
    | `updates/<variable>/ratio` | \(\|\Delta w\|_2 / \|w\|_2\); healthy is about 0.001 |
    | `metrics/batch_<metric>`, `metrics/epoch_<metric>`, `metrics/learning_rate` | as in `fit` |
    | `monitor/...` | what the monitor itself costs, see `CostMeter` |

    The step is the number of batches seen before, over all fits from 0, see `docs/layers.md`.
    Gradients are those of the loss: a loss scale is divided out. The second call of a layer in one
    step is `<layer>_call_2`, its second output `<layer>_output_2`. The layers tab shows all layers
    of any network, the custom-scalars tab those of a small one in one chart a statistic.

    After `fit`, and also when it raises, the model and its optimizer are as without the monitor.
    Weights are the same bit for bit, but where XLA fuses the recorded step otherwise than the
    plain one (then equal within rounding, 1e-6 after 100 steps), and but for dropout under
    torch's `jit_compile=True`, where recorded steps run uncompiled and draw other random numbers.
    With several devices or processes the numbers are those of the whole batch, and one process
    writes; see `docs/distributed.md`.

    Args:
        log_dir: folder of this run. Give each run its own, `logs/first`, `logs/second`, ...,
            and point `tensorboard --logdir` to the folder above. A run that starts at step 0
            where there is one already writes to `run_2`, `run_3`, ... in it, since TensorBoard
            would hide the first behind the second. A `fit` that continues a run, also one that
            `BackupAndRestore` resumes, goes on in the folder of that run.
        every: record each step whose number is divisible by it.
        layers: names of layers (or layers) whose activations are recorded; None for all but those
            of Keras's that have neither weights nor an activation (`Add`, `Flatten`, `Dropout`,
            `MaxPooling2D`, ...). The gradients of all trainable variables are recorded in any case.
        histograms_every: also record histograms of activations and gradients, binned on the
            device, at each step whose number is divisible by it; None for never.
        writer: where to write, instead of an event file in `log_dir`: a table (`TableWriter`), a
            tracking service (`WandbWriter`, `MLflowWriter`), dicts (`MemoryWriter`), all of
            `keras_dlnotes.summaries`, or an object of your own. It needs the method `add_scalars`
            of `MemoryWriter`; the others are optional.
        scalars: which curves of the layers are written beside what the layers tab shows, which is
            always all: `"all"`, one for each number in the table above; `"worst"`, of each of the
            main statistics the largest, the median and the smallest number among all layers, as
            `activations/largest/standard_deviation` (variables named `bias` and `beta`, which
            start at 0, left out); `"none"`; `"auto"`, all where there are at most 32 layers or
            where `writer` is no `EventFileWriter`, else the worst.
        max_megabytes: how much the run's event files may take. Where it is more, old steps are
            removed evenly, see `keras_dlnotes.summaries.EventFileWriter`. None for no limit.
            Not used with a `writer`, which has its own.

    Raises:
        ValueError: if an argument is not as described, `writer` has no place for the histograms
            that are asked for, or a named layer is not in the model.
        OSError: when `fit` starts, if no file can be made in `log_dir`. A full disk, or a file
            that is deleted later, gives one warning, and training goes on.

    Example:
    ```python
    import keras, numpy as np
    import keras_dlnotes as kd

    model = keras.Sequential([keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.normal(size=(256, 8))
    model.fit(x, x[:, :1], callbacks=[kd.callbacks.TrainingMonitor("logs/first", every=2)])
    # then: tensorboard --logdir logs
    ```

    Reference: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", 2010, figures 2 to 4 and 6 to 9, for what the statistics tell.
    """

    of_a_fit = ("_observer", "_subscription", "_meter", "_layouts", "_charts")

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        every: int = 10,
        layers: Sequence[str | keras.Layer] | None = None,
        histograms_every: int | None = None,
        writer: Any = None,
        scalars: Literal["auto", "all", "worst", "none"] = "auto",
        max_megabytes: float | None = 50,
    ) -> None:
        super().__init__()
        if scalars not in CHOICES:
            raise ValueError(
                f"`scalars` must be one of {CHOICES}. Received: scalars={scalars!r}. Pass 'auto' "
                "for the curves of all layers in a small network and of the worst in a large one."
            )
        self.log_dir = log_dir
        self.every = whole_number("every", every, unit="steps", advice=_PERIOD)
        self.layers = layers
        self.histograms_every = histograms_every
        if histograms_every is not None:
            self.histograms_every = whole_number(
                "histograms_every", histograms_every, unit="steps", advice=_PERIOD
            )
            if writer is not None and not hasattr(writer, "add_histogram"):
                raise ValueError(
                    "`histograms_every` needs a `writer` with a place for histograms (a method "
                    f"`add_histogram`). Received: writer={type(writer).__name__}. Leave "
                    "`histograms_every` out, or record histograms with a second TrainingMonitor."
                )
        self.writer = writer
        self.scalars = scalars
        self.max_megabytes = checked_megabytes(max_megabytes)
        self._report = ReportWriter("training monitor", writer, max_megabytes)
        self._observer: Any = None
        self._subscription: Any = None
        self._meter: Any = None

    def __str__(self) -> str:
        return monitor_text(self._report.run, self.every, self.log_dir)

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the figures of `kd.plots`, and what to look at first."""
        return monitor_html(self._report.run, self.every, self.log_dir)

    def set_model(self, model: keras.Model) -> None:
        """Attaches to the model and removes the observer left by a `fit` that raised."""
        super().set_model(model)
        TrainStepObserver.remove_from(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Brings to an end what a `fit` that raised has left."""
        self._finish()
        self._report.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts to observe, and starts the clock anew: what lies between epochs is no step."""
        if self._subscription is None:
            self._begin(epoch)
        self._observer.restart_clock()

    def _begin(self, epoch: int) -> None:
        # Not before the first epoch begins: by then `BackupAndRestore`, wherever it stands in the
        # list of callbacks, has restored the optimizer and with it the number of the step.
        self._layouts: dict[int, Any] = {}
        self._charts = Charts()
        self._last_delivery = time.monotonic()
        self._observer = TrainStepObserver.on(self.model, idle=self._observer)
        self._subscription = Subscription(
            self._write,
            self.every,
            self.histograms_every,
            self.layers,
            passing_on=False,
            steps_per_epoch=self.params.get("steps"),
            interrupted=self._on_interruption,
        )
        try:
            self._observer.subscribe(self._subscription)
            self._report.open(self, self.log_dir, epoch)
        except BaseException:
            self._observer.unsubscribe(self._subscription)
            self._subscription = None
            raise
        self._meter = CostMeter(self._observer, self._report)
        atexit.register(self._finish)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Lets the next step be observed, and now and then fetches what was recorded."""
        with self._meter.host_work():
            now = time.monotonic()
            full = self._observer.waiting >= _ROWS_PER_DELIVERY
            if full or now - self._last_delivery > _SECONDS_PER_DELIVERY:
                self._deliver()
            self._observer.arm()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Takes note of how many examples the epoch had, before validation counts its own."""
        active.processes.note_trained(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's metrics."""
        with self._meter.host_work():
            self._deliver()
            step = self._observer.next_step - 1
            logs = active.processes.mean_logs(self.model, log_numbers(logs))
            numbers = {f"metrics/epoch_{name}": n for name, n in logs.items()}
            if self.model.optimizer is not None:
                rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
                numbers["metrics/learning_rate"] = float(rate)
        numbers |= self._meter.scalars()
        self._add_scalars(step, tuple(numbers), list(numbers.values()))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Writes what is left and puts everything back."""
        self._finish()

    def _finish(self) -> None:
        if self._subscription is not None:
            self._deliver()
            self._observer.unsubscribe(self._subscription)
            self._close()

    def _deliver(self) -> None:
        self._observer.deliver()
        self._last_delivery = time.monotonic()
        self._report.warn_of_failure()

    def _write(self, record: StepRecord) -> None:
        scalars, layers = self._layout(record.columns)
        parts = [(tag, rows, record.values[places]) for tag, rows, places in layers]
        self._report.add_layers(record.step, parts, record.wall_time)
        tags, numbers = scalars.of(record.values)
        self._add_scalars(record.step, tags, numbers, record.wall_time)
        if record.logs:
            names = tuple(f"metrics/batch_{name}" for name in record.logs)
            self._add_scalars(record.step, names, list(record.logs.values()), record.wall_time)
        if self._subscription.histograms_due(record.step):
            for column, (low, high, counts) in record.histograms().items():
                if self._subscription.wants(column) and np.isfinite([low, high]).all():
                    self._report.add_histogram(
                        record.step, column.tag, low, high, counts, record.wall_time
                    )

    def _add_scalars(
        self, step: int, tags: tuple[str, ...], numbers: list[float], wall_time: float | None = None
    ) -> None:
        layout = self._charts.with_tags(tags)
        if layout is not None:
            self._report.add_custom_scalars(layout)
        if tags:
            self._report.add_scalars(step, tags, numbers, wall_time)

    def _layout(self, columns: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        """What is written of rows with these columns; made once, as they are the same objects."""
        if id(columns) not in self._layouts:
            places = np.cumsum([0] + [c.width for c in columns])
            chosen = [
                (column, place)
                for column, place in zip(columns, places, strict=False)
                if column.statistic != "histogram" and self._subscription.wants(column)
            ]
            scalars = layer_scalars(self.scalars, chosen, self._report.writes_event_file)
            self._layouts[id(columns)] = columns, (scalars, _layer_parts(chosen))
        return self._layouts[id(columns)][1]

    def _on_interruption(self, error: BaseException | None) -> None:
        """A step raised: Keras calls no more of the callback's methods."""
        self._close()

    def _close(self) -> None:
        atexit.unregister(self._finish)
        self._subscription = None
        self._report.close()


def _layer_parts(chosen: list[Any]) -> list[tuple[str, list[Any], np.ndarray]]:
    """The same numbers as one vector a statistic: `[(tag, rows, places)]`."""
    parts: dict[str, tuple[list[Any], list[Any]]] = {}
    for column, place in chosen:
        rows, places = parts.setdefault(f"{column.section}/{column.statistic}", ([], []))
        rows.append(column.origin.row | {"tag": column.name})
        places.append(place)
    return [(tag, rows, np.array(places)) for tag, (rows, places) in parts.items()]
