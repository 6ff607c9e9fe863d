"""Watches activations and gradients vanish, or not, in a ten-layer network on real digits.

The deep-learning notes claim: small random weights make the signal of a deep network shrink
exponentially, Xavier's are best for tanh and inefficient for ReLU, He's are best for ReLU. Here the
same network is trained with tanh and with ReLU from each of the three initializations, on
scikit-learn's handwritten digits. Whether a claim held is decided by what the training monitor
measured, with the criteria written down below; nothing about the outcome is.

Run it from the repository's root:

    python examples/vanishing_gradients.py
"""

import argparse
import math
import os
import shutil
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

# Before Keras loads TensorFlow, whose start-up notices would drown the report. The second switch
# also silences a notice that no log level reaches; layers of this size gain nothing from oneDNN.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# So small layers are not worth splitting: torch's threads would mostly wait for one another, which
# on a busy machine makes the whole run several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd
from keras_dlnotes.summaries import MemoryWriter

ACTIVATIONS = ("tanh", "relu")
INITIALIZERS = ("SmallRandom", "Xavier", "He")
LOG_DIR = Path("logs/vanishing_gradients")

# Nine hidden layers and the output are ten layers of weights. One optimizer with one learning rate
# for all runs, and plain momentum: an adaptive rule would rescale part of the effect away.
HIDDEN_LAYERS = 9
UNITS = 128
LEARNING_RATE = 0.01
BATCH_SIZE = 64
EPOCHS = 15
RECORD_EVERY = 10
SEED = 0

# The criteria. A signal is multiplied by some factor from one hidden layer to the next; over the
# eight layers between the first and the last, 0.8 per layer leaves 17 % of it and 0.5 leaves 0.4 %.
VANISHES_BELOW = 0.5
SHRINKS_BELOW = 0.8
GROWS_ABOVE = 1 / SHRINKS_BELOW
EXPLODES_ABOVE = 1 / VANISHES_BELOW
# A run learned faster than another if it needed at most two thirds of its epochs to get so far.
TARGET_ACCURACY = 0.9
FASTER = 2 / 3
# Two test accuracies differ if they lie farther apart than so many standard errors.
STANDARD_ERRORS = 2.0

DISPLAY_NAMES = {"tanh": "tanh", "relu": "ReLU"}
# Okabe and Ito's palette, which colour-blind readers can tell apart, and a marker for print.
STYLES = {
    "SmallRandom": {"color": "#D55E00", "marker": "o"},
    "Xavier": {"color": "#0072B2", "marker": "s"},
    "He": {"color": "#009E73", "marker": "^"},
}


@dataclass(frozen=True)
class Run:
    """What the monitor measured in one training run.

    Args:
        activation: name of the hidden layers' activation function.
        initializer: name of the initializer.
        activations: standard deviation of each hidden layer's output at the first step.
        bias_gradients: gradient norm of each layer's bias at the first step, output layer last.
            That of the mean over the batch of what comes back to the layer's units.
        kernel_gradients: gradient norm of each layer's kernel at the first step, output layer last.
            What came forward to the layer times what came back to it.
        accuracies: test accuracy after each epoch.
        test_size: number of test examples.
    """

    activation: str
    initializer: str
    activations: np.ndarray
    bias_gradients: np.ndarray
    kernel_gradients: np.ndarray
    accuracies: list
    test_size: int

    @property
    def title(self):
        """Activation and initializer in words."""
        return f"{DISPLAY_NAMES[self.activation]}, {self.initializer}"

    @property
    def accuracy(self):
        """Test accuracy at the end."""
        return self.accuracies[-1]

    @property
    def standard_error(self):
        """That of the accuracy, which is a share of `test_size` examples."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.test_size)

    @property
    def epochs_to_target(self):
        """Epochs until the test accuracy reached `TARGET_ACCURACY`; infinity if it never did."""
        reached = [e for e, a in enumerate(self.accuracies, start=1) if a >= TARGET_ACCURACY]
        return reached[0] if reached else math.inf

    @property
    def forward_factor(self):
        """By how much one hidden layer multiplies the activations' scale on the way forward."""
        return _factor(self.activations[0], self.activations[-1], HIDDEN_LAYERS - 1)

    @property
    def backward_factor(self):
        """By how much one hidden layer multiplies the gradient's scale on the way back."""
        first, last = self.bias_gradients[0], self.bias_gradients[HIDDEN_LAYERS - 1]
        return _factor(last, first, HIDDEN_LAYERS - 1)

    @property
    def factors(self):
        """Both factors in words."""
        return (
            f"per layer activations x{self.forward_factor:.2f} forward "
            f"and gradients x{self.backward_factor:.2f} back"
        )

    @property
    def is_healthy(self):
        """Whether neither activations nor gradients shrink or grow from layer to layer."""
        factors = (self.forward_factor, self.backward_factor)
        return all(SHRINKS_BELOW <= factor <= GROWS_ABOVE for factor in factors)

    def beats(self, other):
        """1 if this run is better than the other, -1 if worse, 0 if no difference was seen.

        More accurate counts first; where the accuracies do not differ, faster does.
        """
        if self.is_more_accurate_than(other):
            return 1
        if other.is_more_accurate_than(self):
            return -1
        return int(self.is_faster_than(other)) - int(other.is_faster_than(self))

    def is_more_accurate_than(self, other):
        """Whether the test accuracy is higher by more than chance explains."""
        error = math.hypot(self.standard_error, other.standard_error)
        return self.accuracy - other.accuracy > STANDARD_ERRORS * error

    def is_faster_than(self, other):
        """Whether it needed at most two thirds of the other's epochs to reach the target."""
        if math.isinf(self.epochs_to_target):
            return False
        return self.epochs_to_target <= FASTER * other.epochs_to_target


def _factor(start, end, layers):
    # A signal that starts below the smallest float has no factor; one that ends there has 0.
    return float((end / start) ** (1 / layers)) if start > 0 else math.nan


class ProgressLine(keras.callbacks.Callback):
    """One line for a run, rewritten after each epoch on a terminal, else printed at the end."""

    def __init__(self, title):
        super().__init__()
        self._title = title

    def on_epoch_end(self, epoch, logs=None):
        """Shows how far the run is."""
        epochs = self.params["epochs"]
        is_last = epoch + 1 == epochs
        if sys.stdout.isatty() or is_last:
            line = (
                f"{self._title:<27} epoch {epoch + 1:>2}/{epochs}   loss {logs['loss']:.4f}   "
                f"test accuracy {logs['val_accuracy']:>6.1%}"
            )
            start = "\r" if sys.stdout.isatty() else ""
            print(start + line, end="\n" if is_last else "", flush=True)


def load_data():
    """Training and test images and labels; pixels scaled by the training images' moments."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images.astype("float32"), labels, test_size=0.25, stratify=labels, random_state=SEED
    )
    mean = x_train.mean(axis=0)
    # Pixels go from 0 to 16; those at the rim are nearly constant and would be blown up.
    deviation = np.maximum(x_train.std(axis=0), 1.0)
    return (x_train - mean) / deviation, y_train, (x_test - mean) / deviation, y_test


def build_model(activation, initializer):
    """The ten-layer network, every kernel drawn by the initializer."""
    hidden = [
        keras.layers.Dense(UNITS, activation=activation, name=f"hidden_{number}")
        for number in range(1, HIDDEN_LAYERS + 1)
    ]
    output = keras.layers.Dense(10, activation="softmax", name="output")
    # One name for all: it is part of the variables' paths, under which TensorBoard compares runs.
    model = keras.Sequential([keras.Input((64,)), *hidden, output], name="network")
    # The same seed for each initializer: the same numbers, scaled differently.
    kd.initializers.initialize(model, getattr(kd.initializers, initializer)(seed=SEED))
    return model


def train(activation, initializer, data, log_dir, epochs, title):
    """Trains one network with the monitor watching, and returns what it saw."""
    keras.utils.set_random_seed(SEED)
    x_train, y_train, x_test, y_test = data
    model = build_model(activation, initializer)
    model.compile(
        optimizer=kd.optimizers.Momentum(LEARNING_RATE, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # One monitor writes for TensorBoard, one keeps the same numbers for the report; a step is
    # measured once for both.
    memory = MemoryWriter()
    model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_data=(x_test, y_test),
        verbose=0,
        callbacks=[
            kd.callbacks.TrainingMonitor(
                log_dir, every=RECORD_EVERY, histograms_every=RECORD_EVERY
            ),
            kd.callbacks.TrainingMonitor(every=RECORD_EVERY, writer=memory),
            ProgressLine(title),
        ],
    )

    def at_first_step(tag):
        return memory.scalars[tag][0][1]

    hidden = [layer for layer in model.layers if layer.name != "output"]
    return Run(
        activation,
        initializer,
        np.array([at_first_step(f"activations/{h.name}/standard_deviation") for h in hidden]),
        np.array([at_first_step(f"gradients/{v.bias.path}/norm") for v in model.layers]),
        np.array([at_first_step(f"gradients/{v.kernel.path}/norm") for v in model.layers]),
        [accuracy for _, accuracy in memory.scalars["metrics/epoch_val_accuracy"]],
        len(y_test),
    )


def table(runs):
    """The runs side by side: first and last hidden layer at the first step, and the outcome."""
    last = HIDDEN_LAYERS - 1
    header = [
        ["", "", "activation", "", "bias gradient", "", "kernel gradient", "", "test", "epochs"],
        ["", "", "std", "", "norm", "", "norm", "", "accu-", "to"],
        ["network", "initializer"] + ["first", "last"] * 3 + ["racy", f"{TARGET_ACCURACY:.0%}"],
    ]
    body = [
        [
            DISPLAY_NAMES[run.activation],
            run.initializer,
            *(
                f"{scale[layer]:.1e}"
                for scale in (run.activations, run.bias_gradients, run.kernel_gradients)
                for layer in (0, last)
            ),
            f"{run.accuracy:.1%}",
            "never" if math.isinf(run.epochs_to_target) else str(run.epochs_to_target),
        ]
        for run in runs
    ]
    widths = [9, 12, 8, 8, 8, 8, 8, 8, 6, 6]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))

    def line(cells, spans):
        # Names stand on the left, numbers on the right, a heading over two columns in the middle.
        parts = [f"{cells[0]:<{widths[0]}}", f"{cells[1]:<{widths[1]}}"]
        if spans:
            parts += [f"{cells[i]:>{widths[i] + 2 + widths[i + 1]}}" for i in (2, 4, 6)]
            parts += [f"{cells[i]:>{widths[i]}}" for i in (8, 9)]
        else:
            parts += [f"{cells[i]:>{widths[i]}}" for i in range(2, 10)]
        return "  ".join(parts)

    lines = [line(header[0], True), line(header[1], True), line(header[2], False), rule]
    for previous, run, cells in zip([None, *runs], runs, body, strict=False):
        if previous is not None and previous.activation != run.activation:
            lines.append(rule)
        lines.append(line(cells, False))
    return "\n".join(lines)


def verdict(run, runs):
    """One sentence: what the notes claim of this run, and whether the measurements agree."""
    others = [r for r in runs if r.activation == run.activation and r is not run]
    if run.initializer == "SmallRandom":
        return _verdict_on_shrinking(run)
    if (run.activation, run.initializer) == ("relu", "Xavier"):
        return _verdict_on_inefficiency(run, others)
    if (run.activation, run.initializer) == ("tanh", "He"):
        return _verdict_on_second_best(run, others)
    return _verdict_on_best(run, others)


def _verdict_on_shrinking(run):
    factors = (run.forward_factor, run.backward_factor)
    out_of_bounds = [f < VANISHES_BELOW or f > EXPLODES_ABOVE or math.isnan(f) for f in factors]
    outcome = ("did not hold", "held in part", "held")[sum(out_of_bounds)]
    return (
        f"{run.title}: the claim that activations and gradients shrink or grow exponentially "
        f"{outcome}: {run.factors}, and {_learning(run)}."
    )


def _verdict_on_inefficiency(run, others):
    shrinks = run.forward_factor < SHRINKS_BELOW
    he = [other for other in others if other.initializer == "He"]
    loses = any(other.beats(run) > 0 for other in he)
    outcome = ("did not hold", "held in part", "held")[shrinks + loses]
    return (
        f"{run.title}: the claim that Xavier is inefficient for ReLU {outcome}: {run.factors}, "
        f"and {_learning(run)}{_against(he)}."
    )


def _verdict_on_second_best(run, others):
    xavier = [other for other in others if other.initializer == "Xavier"]
    comparison = max((run.beats(other) for other in xavier), default=0)
    outcome = {-1: "held", 0: "is not shown", 1: "did not hold"}[comparison]
    return (
        f"{run.title}: the claim that Xavier, not He, is best for tanh {outcome}: {run.factors}, "
        f"and {_learning(run)}{_against(xavier)}."
    )


def _verdict_on_best(run, others):
    comparisons = [run.beats(other) for other in others]
    if not run.is_healthy or min(comparisons, default=0) < 0:
        outcome = "did not hold"
    elif 0 in comparisons:
        ties = [o.initializer for o, c in zip(others, comparisons, strict=True) if c == 0]
        outcome = f"held in part (that it is better than {' and '.join(ties)} is not shown)"
    else:
        outcome = "held"
    rivals = [other for other in others if other.initializer != "SmallRandom"]
    return (
        f"{run.title}: the claim that {run.initializer} is best for "
        f"{DISPLAY_NAMES[run.activation]} {outcome}: {run.factors}, "
        f"and {_learning(run)}{_against(rivals)}."
    )


def _learning(run):
    if math.isinf(run.epochs_to_target):
        return f"it never reached {TARGET_ACCURACY:.0%} and ended at {_accuracy(run)}"
    return f"it took {_epochs(run)} to {TARGET_ACCURACY:.0%} and ended at {_accuracy(run)}"


def _accuracy(run):
    return f"{100 * run.accuracy:.1f} ± {100 * run.standard_error:.1f} %"


def _against(others):
    texts = [f"{other.initializer}: {_epochs(other)}, {_accuracy(other)}" for other in others]
    return f" ({'; '.join(texts)})" if texts else ""


def _epochs(run):
    if math.isinf(run.epochs_to_target):
        return "never there"
    return f"{run.epochs_to_target} epoch{'s' if run.epochs_to_target > 1 else ''}"


def draw(runs, path):
    """Saves the picture: scales by layer at the first step, one line a run."""
    columns = {
        "Activations\nstandard deviation of each layer's output": "activations",
        "Gradients of the biases\nnorm: the signal that comes back": "bias_gradients",
        "Gradients of the kernels\nnorm: what the weights learn from": "kernel_gradients",
    }
    activations = list(dict.fromkeys(run.activation for run in runs))
    figure = Figure(figsize=(11, 1.2 + 2.7 * len(activations)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    axes = figure.subplots(len(activations), len(columns), sharex=True, sharey="col", squeeze=False)
    for row, activation in zip(axes, activations, strict=True):
        row[0].set_ylabel(DISPLAY_NAMES[activation], fontsize=13, fontweight="bold")
        for axis, name in zip(row, columns.values(), strict=True):
            for run in (r for r in runs if r.activation == activation):
                scale = getattr(run, name)
                layers = np.arange(1, len(scale) + 1)
                axis.plot(layers, scale, label=run.initializer, **STYLES[run.initializer])
            axis.set_yscale("log")
            axis.set_xticks(range(1, HIDDEN_LAYERS + 2), [*range(1, HIDDEN_LAYERS + 1), "out"])
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("layer")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def tensorboard_command(log_dir):
    """The command that shows the runs, with the path where the shell would not find it."""
    beside = Path(sys.executable).with_name("tensorboard")
    if shutil.which("tensorboard") or not beside.exists():
        return f"tensorboard --logdir {log_dir}"
    program = beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
    return f"{program} --logdir {log_dir}"


def main(log_dir=LOG_DIR, epochs=EPOCHS, activations=ACTIVATIONS, initializers=INITIALIZERS):
    """Trains all runs, reports them and returns them.

    Args:
        log_dir: folder that receives one folder for each run, and the picture.
        epochs: passes over the training data.
        activations: names of activation functions, of `ACTIVATIONS`.
        initializers: names of initializers, of `INITIALIZERS`.
    """
    start = time.perf_counter()
    log_dir = Path(log_dir)
    data = load_data()
    print(
        f"Ten layers ({HIDDEN_LAYERS} x {UNITS} units and the output) learn {len(data[1])} "
        f"handwritten digits; {len(data[3])} are kept for the test.\n"
        f"Keras on {keras.backend.backend()}, Momentum with learning rate {LEARNING_RATE}, "
        f"batches of {BATCH_SIZE}, {epochs} epochs.\n"
    )
    pairs = [(a, i) for a in activations for i in initializers]
    runs = []
    for number, (activation, initializer) in enumerate(pairs, start=1):
        run_dir = log_dir / f"{activation}_{initializer}"
        # Old event files would be drawn over the new ones; only this run's folder is cleared.
        shutil.rmtree(run_dir, ignore_errors=True)
        title = f"[{number}/{len(pairs)}] {DISPLAY_NAMES[activation]}, {initializer}"
        runs.append(train(activation, initializer, data, run_dir, epochs, title))

    print("\nFirst and last hidden layer at the first training step, and how the training ended:\n")
    print(table(runs))
    print(
        f"\nDid the notes' claims hold? (± is the standard error of an accuracy on {len(data[3])} "
        "digits; each\nnetwork was trained once.)\n"
    )
    for run in runs:
        print(textwrap.fill(f"- {verdict(run, runs)}", width=99, subsequent_indent="  "))
    picture = log_dir / "scale_by_layer.png"
    draw(runs, picture)
    print(f"\nScale by layer: {picture}   ({time.perf_counter() - start:.0f} s in all)")
    print(f"Every layer at every tenth step: {tensorboard_command(log_dir)}")
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log-dir", type=Path, default=LOG_DIR, help="folder of the runs")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the data")
    options = parser.parse_args()
    main(options.log_dir, options.epochs)
