"""Prechelt's trade-off on real data: what waiting longer before stopping gains, and what it costs.

KERAS_BACKEND=tensorflow python examples/early_stopping.py     (or jax, or torch)

As in "Early Stopping - But When?" (1998), each network is trained once, far into overfitting, and
all criteria look at the same curves: 40 networks on each of four data sets that come with
scikit-learn, half of the examples for training and a quarter each for validation and test, trained
by RPROP on the squared error, as his were. The 40 train side by side as one stacked network, which
is what makes this quick.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from sklearn import datasets

import keras_dlnotes as kd
from keras_dlnotes.numerics.early_stopping import as_error
from keras_dlnotes.stopping.criterion import Check

SEEDS = 40
HIDDEN = 16
EPOCHS = 600
STRIP = 5
CRITERIA = {
    **{f"GL {a:g}": kd.stopping.GeneralizationLoss(a) for a in (1, 2, 3, 5)},
    **{f"PQ {a:g}": kd.stopping.ProgressQuotient(a, STRIP) for a in (0.5, 0.75, 1, 2, 3)},
    **{f"UP {s}": kd.stopping.UpStrips(s, STRIP) for s in (1, 2, 3, 4, 6, 8)},
}
# Prechelt's quickest and slowest setting of each kind.
ENDS = {"GL": ("GL 1", "GL 5"), "PQ": ("PQ 0.5", "PQ 3"), "UP": ("UP 2", "UP 8")}
COLORS = {"GL": "tab:blue", "PQ": "tab:orange", "UP": "tab:green"}
LEGEND = {
    "GL": r"GL: the validation error is $\alpha$ % above its lowest (at the points: $\alpha$)",
    "PQ": r"PQ: GL divided by the training progress is above $\alpha$ (at the points: $\alpha$)",
    "UP": f"UP: the error rose in s strips of {STRIP} epochs in turn (at the points: s)",
}
# Where a point's label stands: the three curves come close to each other.
LABELS = {"GL": ((-7, -3), "right"), "PQ": ((0, 8), "center"), "UP": ((0, -15), "center")}


def problems():
    """Standardized inputs and targets of each data set; classes as one number a class."""
    loaders = {
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "digits": datasets.load_digits,
        "diabetes": datasets.load_diabetes,
    }
    rng = np.random.default_rng(0)
    for name, load in loaders.items():
        x, y = load(return_X_y=True)
        chosen = rng.permutation(len(x))[:500]  # enough, and the digits do not take all the time
        x, y = x[chosen], y[chosen]
        x = (x - x.mean(0)) / (x.std(0) + 1e-9)
        if name == "diabetes":
            y = ((y - y.mean()) / y.std())[:, None]
        else:
            y = np.eye(int(y.max()) + 1)[y]
        yield name, x.astype("float32"), y.astype("float32")


@keras.saving.register_keras_serializable(package="examples")
class RPROP(keras.optimizers.Optimizer):
    """Prechelt's optimizer: full batches, of whose gradient only the signs count.

    Each weight has a step size of its own, which grows while the gradient keeps its sign and is
    halved when it turns (Riedmiller and Braun, 1993; without taking back the last step). It starts
    at a tenth of Prechelt's, whose inputs were fewer and within [0, 1].
    """

    def __init__(self, **kwargs):
        super().__init__(learning_rate=1.0, **kwargs)

    def build(self, variables):
        """A step size and the last gradient for each weight."""
        super().build(variables)
        first = keras.initializers.RandomUniform(0.005, 0.02, seed=0)
        self._steps = [self.add_variable_from_reference(v, "step_size", first) for v in variables]
        self._last = [self.add_variable_from_reference(v, "last_gradient") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        """One step of each weight against the sign of its gradient."""
        place = self._get_variable_index(variable)
        agreement = gradient * self._last[place]
        factor = ops.where(agreement > 0, 1.1, ops.where(agreement < 0, 0.5, 1.0))
        step = ops.minimum(self._steps[place] * ops.cast(factor, variable.dtype), 50.0)
        gradient = ops.where(agreement < 0, ops.zeros_like(gradient), gradient)
        self._steps[place].assign(step)
        self._last[place].assign(gradient)
        variable.assign(variable - ops.sign(gradient) * step)


class StackedNetworks:
    """One network for each seed, each with its own weights and its own split of the data.

    Arrays are [examples, seeds, features]; the weights have the seeds as their first axis. The
    loss is a sum over seeds, so each network's gradient is its own.
    """

    def __init__(self, x, y):
        orders = [np.random.default_rng(seed).permutation(len(x)) for seed in range(SEEDS)]
        self.x = np.stack([x[order] for order in orders], axis=1)
        self.y = np.stack([y[order] for order in orders], axis=1)
        half, quarter = len(x) // 2, len(x) // 4
        self.parts = [slice(0, half), slice(half, half + quarter), slice(half + quarter, None)]
        keras.utils.set_random_seed(0)
        inputs = keras.Input(self.x.shape[1:])
        hidden = self._layer(HIDDEN, "tanh")(inputs)
        outputs = self._layer(self.y.shape[-1], None)(hidden)
        self.model = keras.Model(inputs, outputs)
        self.model.compile(
            RPROP(),
            lambda y, p: ops.sum(ops.mean(ops.square(y - p), axis=(0, 2))),
            jit_compile=keras.backend.backend() == "jax",
        )

    @staticmethod
    def _layer(units, activation):
        return keras.layers.EinsumDense(
            "nsf,sfu->nsu",
            (SEEDS, units),
            bias_axes="su",
            activation=activation,
            kernel_initializer=keras.initializers.RandomUniform(-0.5, 0.5),
        )

    def train(self, epochs):
        """Squared errors in percent after each epoch, [epochs, 3 parts, seeds]."""
        train = self.parts[0]
        x, y = ops.convert_to_tensor(self.x), self.y
        errors = np.empty((epochs, len(self.parts), SEEDS))
        for epoch in range(epochs):
            self.model.train_on_batch(self.x[train], y[train])
            squares = np.square(ops.convert_to_numpy(self.model.predict_on_batch(x)) - y)
            errors[epoch] = [100 * squares[part].mean(axis=(0, 2)) for part in self.parts]
        return errors


def stopping_epoch(criterion, e_va, e_tr):
    """The epoch, from 1, at which a criterion stops; the last one if it does not."""
    state = None
    for epoch, (validation, training) in enumerate(zip(e_va, e_tr, strict=True), start=1):
        values = {"val_loss": float(validation), "loss": float(training)}
        errors = {name: as_error(value) for name, value in values.items()}
        state = criterion.update(state, Check("val_loss", values, errors, errors))
        if criterion.reason(state) is not None:
            return epoch, True
    return len(e_va), False


def replay(curves):
    """For each criterion: epochs trained, test error of the best epoch, share of runs stopped.

    The curves are [data sets, seeds, 3 parts, epochs], epochs and errors [data sets, seeds].
    """
    results = {}
    for name, criterion in CRITERIA.items():
        epochs, errors = np.empty((2, *curves.shape[:2]))
        stopped = np.empty_like(epochs)
        for run in np.ndindex(epochs.shape):
            e_tr, e_va, e_te = curves[run]
            epoch, stopped[run] = stopping_epoch(criterion, e_va, e_tr)
            epochs[run], errors[run] = epoch, e_te[np.argmin(e_va[:epoch])]
        results[name] = epochs, errors, np.mean(stopped)
    return results


def geometric(ratios):
    """The mean that treats twice and half alike, and its standard error over the seeds.

    The ratios are [data sets, seeds]. The data sets are these four, so what varies by chance is
    the mean over them of each seed.
    """
    logs = np.log(ratios).mean(axis=0)
    mean = np.exp(logs.mean())
    return mean, mean * logs.std(ddof=1) / len(logs) ** 0.5


def percent(ratios):
    """By how many percent ratios differ from 1, as text."""
    mean, error = geometric(ratios)
    return f"{100 * (mean - 1):+.1f} ± {100 * error:.1f} %"


def falls(ratios):
    """Whether ratios of errors show that the error falls: not unless by two standard errors."""
    mean, error = geometric(ratios)
    if abs(mean - 1) <= 2 * error:
        return "not shown"
    return "held" if mean < 1 else "did not hold"


def trade_off(results):
    """Epochs against each run's fastest criterion, test error against the one fastest of all."""
    fastest = np.min([epochs for epochs, _, _ in results.values()], axis=0)
    quickest = min(results, key=lambda name: results[name][0].mean())
    table = {
        name: (geometric(epochs / fastest)[0], *geometric(errors / results[quickest][1]), stopped)
        for name, (epochs, errors, stopped) in results.items()
    }
    return quickest, table


def slow_against_fast(results, what):
    """Epochs (0) or test errors (1) of each kind's slowest setting against its quickest.

    Under "all" is the geometric mean of the kinds.
    """
    ratios = {
        kind: results[slow][what] / results[fast][what] for kind, (fast, slow) in ENDS.items()
    }
    return ratios | {"all": np.prod(list(ratios.values()), axis=0) ** (1 / len(ratios))}


def draw(quickest, table, title, path):
    """Test error over training time, a point a setting, with standard errors."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    for kind, color in COLORS.items():
        names = [name for name in table if name.startswith(kind)]
        times, errors, spreads, _ = np.transpose([table[name] for name in names])
        errors, spreads = 100 * (errors - 1), 100 * spreads
        axis.plot(times, errors, "o-", color=color, label=LEGEND[kind])
        axis.fill_between(times, errors - spreads, errors + spreads, color=color, alpha=0.12, lw=0)
        offset, align = LABELS[kind]
        for name, x, y in zip(names, times, errors, strict=True):
            axis.annotate(
                name.split()[1], (x, y), offset, textcoords="offset points", fontsize=8, ha=align
            )
    axis.set_title(title, fontsize=10)
    axis.set_xscale("log")
    ticks = [t for t in (1, 2, 4, 8, 16, 32) if t <= max(time for time, *_ in table.values())]
    axis.set_xticks(ticks, [f"{t}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlabel("epochs trained, relative to the fastest criterion of each run")
    axis.set_ylabel(f"test error against {quickest}, % (bands: standard error)")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.07, y=0.12)
    axis.legend(frameon=False, loc="upper right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def check_with_fit(x, y):
    """One network in plain `fit`: the callback stops where its criterion says."""
    keras.utils.set_random_seed(1)
    half, quarter = len(x) // 2, len(x) // 4
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(HIDDEN, "tanh"),
            keras.layers.Dense(y.shape[1]),
        ]
    )
    model.compile(RPROP(), "mse")
    stopper = kd.callbacks.EarlyStopping(
        criterion=CRITERIA["UP 2"] | kd.stopping.TimeBudget(60), restore_best_weights=True
    )
    history = model.fit(
        x[:half],
        y[:half],
        batch_size=half,
        epochs=300,
        verbose=0,
        validation_data=(x[half : half + quarter], y[half : half + quarter]),
        callbacks=[stopper],
    ).history
    replayed, _ = stopping_epoch(CRITERIA["UP 2"], history["val_loss"], history["loss"])
    print(
        f"In fit: stopped after epoch {stopper.stopped_epoch + 1} (the curve replayed: "
        f"{replayed}), {stopper.reason}; the weights of epoch {stopper.best_epoch + 1} were "
        "restored."
    )


def main(epochs=EPOCHS, picture=Path("logs/early_stopping.png")):
    """Trains, replays all criteria, prints the sentences and draws the picture."""
    start = time.perf_counter()
    print(f"± is the standard error over {SEEDS} seeds, each with its own split and weights.\n")
    curves = []
    for name, x, y in problems():
        errors = StackedNetworks(x, y).train(epochs)
        curves.append(np.transpose(errors))
        at_best = [e_te[np.argmin(e_va)] for _, e_va, e_te in curves[-1]]
        print(
            f"{name}: {len(x)} examples, {SEEDS} networks, {epochs} epochs; training to the end "
            f"changes the test error by {percent([errors[-1, 2] / at_best])} against that of the "
            "best validation epoch.",
            flush=True,
        )
    curves = np.array(curves)
    results = replay(curves)
    quickest, table = trade_off(results)
    runs = curves.shape[0] * curves.shape[1]
    print(f"\nAgainst {quickest}, the fastest, over {runs} runs (geometric means):\n")
    print("criterion  epochs  time      test error  runs stopped")
    for name, (slowness, _, _, stopped) in table.items():
        epochs_of, errors_of, _ = results[name]
        print(
            f"{name:9s} {epochs_of.mean():7.0f} {slowness:5.2f}x "
            f"{percent(errors_of / results[quickest][1]):>15s} {stopped:13.0%}"
        )
    factors, errors = slow_against_fast(results, 0), slow_against_fast(results, 1)
    factor = "{:.2f} ± {:.2f}".format(*geometric(factors["all"]))
    print(
        f"\nWaiting longer generalizes better: {falls(errors['all'])}. From the quickest to the "
        "slowest setting that Prechelt has of each kind the test error changes by "
        + ", ".join(f"{percent(errors[kind])} ({kind}: {falls(errors[kind])})" for kind in ENDS)
        + " for "
        + ", ".join(f"{geometric(factors[kind])[0]:.1f}" for kind in ENDS)
        + f" times the training: {percent(errors['all'])} for {factor} times on average. "
        "Prechelt, on twelve other problems: about 4 % less for about 4 times."
    )
    up_epochs, up_errors, _ = results["UP 1"]
    against_end = up_errors / curves[:, :, 2, -1]
    until_stop = np.arange(epochs) < up_epochs[..., None]
    lowest_until_stop = np.where(until_stop, curves[:, :, 1], np.inf).min(axis=-1)
    later = 100 * (curves[:, :, 1].min(axis=-1) < lowest_until_stop).mean(axis=0)
    print(
        "The notes' rule, stop when the validation loss starts to increase (UP 1), against "
        f"training to the end: {falls(against_end)}. The test error differs by "
        f"{percent(against_end)}, after {up_epochs.mean():.0f} of {epochs} epochs. A first "
        f"increase is not always the last word: in {later.mean():.0f} ± "
        f"{later.std(ddof=1) / SEEDS**0.5:.0f} % of the runs a lower validation error came later."
    )
    check_with_fit(x, y)
    title = (
        f"Waiting longer before stopping lowers the test error: {falls(errors['all'])}\n"
        f"slowest against quickest setting of GL, PQ and UP: {percent(errors['all'])} "
        f"for {factor} times the epochs"
    )
    draw(quickest, table, title, Path(picture))
    print(f"Picture: {picture}   ({time.perf_counter() - start:.0f} s in all)")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of each network")
    parser.add_argument("--picture", type=Path, default=Path("logs/early_stopping.png"))
    options = parser.parse_args()
    main(options.epochs, options.picture)
