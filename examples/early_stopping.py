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
from keras_dlnotes.stopping.check import Check

SEEDS = 40
HIDDEN = 16
EPOCHS = 600
STRIP = 5
CRITERIA = {
    **{f"GL {a:g}": kd.stopping.GeneralizationLoss(a) for a in (1, 2, 3, 5)},
    **{f"PQ {a:g}": kd.stopping.ProgressQuotient(a, STRIP) for a in (0.5, 0.75, 1, 2, 3)},
    **{f"UP {s}": kd.stopping.UpStrips(s, STRIP) for s in (1, 2, 3, 4, 6, 8)},
}
COLORS = {"GL": "tab:blue", "PQ": "tab:orange", "UP": "tab:green"}
# Where a point's label stands: the three curves come close to each other.
LABELS = {"GL": ((-7, -3), "right"), "PQ": ((0, 7), "center"), "UP": ((5, -11), "left")}


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
    """For each criterion: epochs trained, test error of the best epoch, share of runs stopped."""
    results = {}
    for name, criterion in CRITERIA.items():
        epochs, errors, stopped = [], [], []
        for e_tr, e_va, e_te in curves:
            epoch, did_stop = stopping_epoch(criterion, e_va, e_tr)
            epochs.append(epoch)
            errors.append(e_te[np.argmin(e_va[:epoch])])
            stopped.append(did_stop)
        results[name] = np.array(epochs), np.array(errors), np.mean(stopped)
    return results


def geometric_mean(ratios):
    """The mean that treats twice and half alike."""
    return float(np.exp(np.mean(np.log(ratios))))


def trade_off(results):
    """Epochs against each run's fastest criterion, test error against the one fastest of all."""
    fastest = np.min([epochs for epochs, _, _ in results.values()], axis=0)
    quickest = min(results, key=lambda name: results[name][0].mean())
    reference = results[quickest][1]
    table = {
        name: (geometric_mean(epochs / fastest), geometric_mean(errors / reference), stopped)
        for name, (epochs, errors, stopped) in results.items()
    }
    return quickest, table


def draw(table, path):
    """Test error over training time, a point a setting."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    for kind, color in COLORS.items():
        names = [name for name in table if name.startswith(kind)]
        times, errors = ([table[name][i] for name in names] for i in (0, 1))
        errors = [100 * (error - 1) for error in errors]
        axis.plot(times, errors, "o-", color=color, label=kind)
        offset, align = LABELS[kind]
        for name, x, y in zip(names, times, errors, strict=True):
            axis.annotate(
                name.split()[1], (x, y), offset, textcoords="offset points", fontsize=8, ha=align
            )
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axis.set_xlabel("training time, relative to the fastest criterion of each run")
    axis.set_ylabel("test error, % against the fastest")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(y=0.15)
    axis.legend(frameon=False, loc="lower left")
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
    curves, rises = [], {}
    for name, x, y in problems():
        errors = StackedNetworks(x, y).train(epochs)
        curves += [errors[:, :, seed].T for seed in range(SEEDS)]
        at_best = [e_te[np.argmin(e_va)] for _, e_va, e_te in curves[-SEEDS:]]
        rises[name] = geometric_mean(errors[-1, 2] / at_best)
        print(
            f"{name}: {len(x)} examples, {SEEDS} networks, {epochs} epochs; training to the end "
            f"changes the test error by {100 * (rises[name] - 1):+.0f} % against that of the best "
            "validation epoch."
        )
    results = replay(curves)
    quickest, table = trade_off(results)
    print(f"\nAgainst {quickest}, the fastest, over {len(curves)} runs (geometric means):\n")
    print("criterion  epochs  time   test error  runs stopped")
    for name, (slowness, error, stopped) in table.items():
        mean = results[name][0].mean()
        print(
            f"{name:9s} {mean:7.0f} {slowness:5.2f}x {100 * (error - 1):+10.1f} % {stopped:10.0%}"
        )
    gains, factors = [], []
    for fast, slow in (("GL 1", "GL 5"), ("PQ 0.5", "PQ 3"), ("UP 2", "UP 8")):
        factors.append(geometric_mean(results[slow][0] / results[fast][0]))
        gains.append(100 * (1 - geometric_mean(results[slow][1] / results[fast][1])))
    print(
        "\nFrom the quickest to the slowest setting that Prechelt has of each kind, generalization "
        f"gains {gains[0]:.1f} % (GL), {gains[1]:.1f} % (PQ) and {gains[2]:.1f} % (UP) for "
        f"{factors[0]:.1f}, {factors[1]:.1f} and {factors[2]:.1f} times the training time: "
        f"{np.mean(gains):.1f} % for {geometric_mean(factors):.1f} times on average. "
        "Prechelt, on twelve other problems: about 4 % for about 4 times."
    )
    up = results["UP 1"]
    to_the_end = np.array([e_te[-1] for _, _, e_te in curves])
    later = np.mean(
        [np.min(e_va) < np.min(e_va[:e]) for (_, e_va, _), e in zip(curves, up[0], strict=True)]
    )
    print(
        "The notes' rule, stop when the validation loss starts to increase (UP 1): test error "
        f"{100 * (1 - geometric_mean(up[1] / to_the_end)):.0f} % below that of training to the "
        f"end, after {up[0].mean():.0f} of {epochs} epochs. A first increase is not always the "
        f"last word: in {later:.0%} of the runs a lower validation error came later."
    )
    check_with_fit(x, y)
    draw(table, Path(picture))
    print(f"Picture: {picture}   ({time.perf_counter() - start:.0f} s in all)")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of each network")
    parser.add_argument("--picture", type=Path, default=Path("logs/early_stopping.png"))
    options = parser.parse_args()
    main(options.epochs, options.picture)
