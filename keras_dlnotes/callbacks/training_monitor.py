"""Writes every layer's activations and gradients to TensorBoard from inside the train step."""

import atexit
import time
from typing import Any

import keras
import numpy as np

from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.cost_meter import CostMeter
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.instrumentation import Subscription, TrainStepObserver, log_numbers
from keras_dlnotes.numerics.number_arguments import whole_number

# Rows wait on the device until so many have gathered or so many seconds have passed: each trip
# to the host waits for the device, and a reader does not look more often.
_ROWS_PER_DELIVERY = 16
_SECONDS_PER_DELIVERY = 10.0
_PERIOD = "Pass 1 to record every step, 10 to record every tenth."

# A bias that starts at 0 has huge first update ratios, which would flatten all other lines.
_NOT_BIAS = r"(?!.*/bias/)"
_CHARTS = {
    "Layer by layer": {
        "Standard deviation of activations": [r"^activations/.*/standard_deviation$"],
        "Gradient norm": [rf"^gradients/{_NOT_BIAS}.*/norm$"],
        "Fraction of zeros (dead units)": [r"^activations/.*/zero_fraction$"],
        "Update-to-weight ratio": [rf"^updates/{_NOT_BIAS}.*/ratio$"],
        "Saturated fraction": [r"^activations/.*/saturated_fraction$"],
        "Gradient norm of biases": [r"^gradients/.*/bias/norm$"],
    },
    "Training": {"Loss": [r"^metrics/.*loss$"]},
}


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

    The step is the global train step, counted by the optimizer over all fits from 0. Gradients
    are those of the loss: a loss scale is divided out. The second call of a layer in one step is
    `<layer>_call_2`, its second output `<layer>_output_2`. The custom-scalars tab draws all layers
    of one statistic in one chart.

    After `fit`, and also when it raises, the model and its optimizer are as without the monitor.
    Weights are the same bit for bit, but where XLA fuses the recorded step otherwise than the
    plain one (then equal within rounding, 1e-6 after 100 steps), and but for dropout under
    torch's `jit_compile=True`, where recorded steps run uncompiled and draw other random numbers.
    Under `tf.distribute` the numbers are averages over the replicas.

    Args:
        log_dir: folder of this run. Give each run its own, `logs/first`, `logs/second`, ...,
            and point `tensorboard --logdir` to the folder above. A run that starts at step 0
            where there is one already writes to `run_2`, `run_3`, ... in it, since TensorBoard
            would hide the first behind the second. A `fit` that continues a run, also one that
            `BackupAndRestore` resumes, goes on in the folder of that run.
        every: record each step whose number is divisible by it.
        layers: names of layers (or layers) whose activations are recorded; None for all. The
            gradients of all trainable variables are recorded in any case.
        histograms_every: also record histograms of activations and gradients, binned on the
            device, at each step whose number is divisible by it; None for never.
        writer: where to write, instead of an event file in `log_dir`: an object with the
            methods of `keras_dlnotes.summaries.MemoryWriter`.

    Raises:
        ValueError: if an argument is not as described, or a named layer is not in the model.
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

    of_a_fit = ("_observer", "_subscription", "_meter", "_tags")

    def __init__(self, log_dir="logs", every=10, layers=None, histograms_every=None, writer=None):
        super().__init__()
        self.log_dir = log_dir
        self.every = whole_number("every", every, unit="steps", advice=_PERIOD)
        self.layers = layers
        self.histograms_every = histograms_every
        if histograms_every is not None:
            self.histograms_every = whole_number(
                "histograms_every", histograms_every, unit="steps", advice=_PERIOD
            )
        self._report = ReportWriter("training monitor", writer)
        self._observer: Any = None
        self._subscription: Any = None
        self._meter: Any = None

    def set_model(self, model):
        """Attaches to the model and removes the observer left by a `fit` that raised."""
        super().set_model(model)
        TrainStepObserver.remove_from(model)

    def on_train_begin(self, logs=None):
        """Brings to an end what a `fit` that raised has left."""
        self._finish()
        self._report.close()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts to observe, and starts the clock anew: what lies between epochs is no step."""
        if self._subscription is None:
            self._begin(epoch)
        self._observer.restart_clock()

    def _begin(self, epoch):
        # Not before the first epoch begins: by then `BackupAndRestore`, wherever it stands in the
        # list of callbacks, has restored the optimizer and with it the number of the step.
        self._tags: dict = {}
        self._last_delivery = time.monotonic()
        self._observer = TrainStepObserver.on(self.model, idle=self._observer)
        self._subscription = Subscription(
            self._write, self.every, self.histograms_every, self.layers, self._on_interruption
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
        self._report.add_custom_scalars(_CHARTS)

    def on_train_batch_begin(self, batch, logs=None):
        """Lets the next step be observed, and now and then fetches what was recorded."""
        with self._meter.host_work():
            now = time.monotonic()
            full = self._observer.waiting >= _ROWS_PER_DELIVERY
            if full or now - self._last_delivery > _SECONDS_PER_DELIVERY:
                self._deliver()
            self._observer.arm()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's metrics."""
        with self._meter.host_work():
            self._deliver()
            step = self._observer.next_step - 1
            numbers = {f"metrics/epoch_{name}": n for name, n in log_numbers(logs).items()}
            if self.model.optimizer is not None:
                rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
                numbers["metrics/learning_rate"] = float(rate)
        numbers |= self._meter.scalars()
        self._report.add_scalars(step, tuple(numbers), list(numbers.values()))

    def on_train_end(self, logs=None):
        """Writes what is left and puts everything back."""
        self._finish()

    def _finish(self):
        if self._subscription is not None:
            self._deliver()
            self._observer.unsubscribe(self._subscription)
            self._close()

    def _deliver(self):
        self._observer.deliver()
        self._last_delivery = time.monotonic()
        self._report.warn_of_failure()

    def _write(self, record):
        tags, kept, layers = self._layout(record.columns)
        parts = [(tag, rows, record.values[places]) for tag, rows, places in layers]
        self._report.add_layers(record.step, parts, record.wall_time)
        numbers = record.values[kept]
        known = ~np.isnan(numbers)
        if not known.all():
            # The update ratio of a weight of norm 0 does not exist; any other NaN is news.
            known |= [not tag.startswith("updates/") for tag in tags]
            tags = tuple(tag for tag, keep in zip(tags, known, strict=True) if keep)
            numbers = numbers[known]
        self._report.add_scalars(record.step, tags, numbers.tolist(), record.wall_time)
        if record.logs:
            names = tuple(f"metrics/batch_{name}" for name in record.logs)
            self._report.add_scalars(
                record.step, names, list(record.logs.values()), record.wall_time
            )
        if self._subscription.histograms_due(record.step):
            for column, (low, high, counts) in record.histograms().items():
                if self._subscription.wants(column) and np.isfinite([low, high]).all():
                    self._report.add_histogram(
                        record.step, column.tag, low, high, counts, record.wall_time
                    )

    def _layout(self, columns):
        """Tags of the scalars and their places in a row; the same objects for the same row."""
        if id(columns) not in self._tags:
            places = np.cumsum([0] + [c.width for c in columns])
            chosen = [
                (column, place)
                for column, place in zip(columns, places, strict=False)
                if column.statistic != "histogram" and self._subscription.wants(column)
            ]
            tags = tuple(column.tag for column, _ in chosen)
            kept = np.array([place for _, place in chosen], dtype=int)
            self._tags[id(columns)] = columns, (tags, kept, _layer_parts(chosen))
        return self._tags[id(columns)][1]

    def _on_interruption(self, error):
        """A step raised: Keras calls no more of the callback's methods."""
        self._close()

    def _close(self):
        atexit.unregister(self._finish)
        self._subscription = None
        self._report.close()


def _layer_parts(chosen):
    """The same numbers as one vector a statistic: `[(tag, rows, places)]`."""
    parts: dict[str, tuple[list, list]] = {}
    for column, place in chosen:
        rows, places = parts.setdefault(f"{column.section}/{column.statistic}", ([], []))
        rows.append(column.origin.row | {"tag": column.name})
        places.append(place)
    return [(tag, rows, np.array(places)) for tag, (rows, places) in parts.items()]
