"""The notes on second-order methods, each advantage and challenge as a sentence with its figure.

KERAS_BACKEND=tensorflow python examples/second_order.py     (or jax, or torch)

The comparisons are made from several starts. A picture shows the loss over the evaluations.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_dlnotes as kd

STARTS = 4
LIMITS = {"Newton": 300, "L-BFGS": 400, "Adam": 6000}  # evaluations
BATCH_SIZE = 20  # of the mini-batches
COLORS = {
    "Newton": "tab:red",
    "L-BFGS": "tab:blue",
    "Adam": "tab:green",
    f"L-BFGS, batches of {BATCH_SIZE}": "tab:orange",
}

# XLA has no vectorised Hessian, and on models this small compiling costs more than it saves.
COMPILE = {"jit_compile": keras.backend.backend() == "jax"}


def data():
    """A curved surface over three inputs, with a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype("float32")
    y = np.sin(x @ np.array([1.0, -1.0, 0.5])) + 0.05 * rng.normal(size=200)
    return x, y[:, None].astype("float32")


def network(start):
    """31 weights with a small penalty, drawn anew for each start."""
    keras.utils.set_random_seed(start)
    penalty = keras.regularizers.L2(1e-4)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(6, "tanh", kernel_regularizer=penalty),
            keras.layers.Dense(1, kernel_regularizer=penalty),
        ]
    )


class Curve(keras.callbacks.Callback):
    """The loss of each evaluation, and the seconds after the first, which compiles."""

    def __init__(self, target=0.0):
        super().__init__()
        self.target, self.losses, self.seconds = target, [], []

    def on_epoch_end(self, epoch, logs=None):
        """Note both; end `fit` at the target."""
        # Of mini-batches the loss is that of one batch; the whole data's is the validation loss.
        self.losses.append(logs.get("val_loss", logs["loss"]))
        self.seconds.append(time.perf_counter())
        if self.losses[-1] <= self.target:
            self.model.stop_training = True

    def reached(self, target):
        """Evaluations and seconds until the loss was that low; NaN where it never was."""
        low = np.flatnonzero(np.array(self.losses) <= target)
        if not low.size:
            return np.nan, np.nan
        return low[0] + 1, self.seconds[low[0]] - self.seconds[0]


def trained(optimizer, start, epochs, target=0.0):
    """Train the network on the full batch, an evaluation an epoch."""
    x, y = data()
    model, curve = network(start), Curve(target)
    model.compile(optimizer=optimizer, loss="mse", **COMPILE)
    callbacks = [curve]
    if isinstance(optimizer, kd.optimizers.Newton):
        callbacks += [kd.callbacks.SecondDerivatives(), kd.callbacks.StopWhenConverged(verbose=0)]
    model.fit(x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return curve


def with_mini_batches(start, evaluations=50):
    """L-BFGS where each evaluation sees another batch: its curve, its end and its warnings."""
    x, y = data()
    model, curve = network(start), Curve()
    optimizer = kd.optimizers.LBFGS()
    model.compile(optimizer=optimizer, loss="mse", **COMPILE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            x,
            y,
            batch_size=BATCH_SIZE,
            steps_per_epoch=1,
            epochs=evaluations,
            verbose=0,
            validation_data=(x, y),
            validation_batch_size=len(x),
            callbacks=[curve],
        )
    told = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    return curve, optimizer, told


def show_progress(done, total, begin):
    """Says how long it still takes: a terminal's line is rewritten, elsewhere five lines in all."""
    left = (time.perf_counter() - begin) / done * (total - done)
    line = f"{done} of {total} starts, about {left:.0f} s left"
    if sys.stdout.isatty():
        print(f"\r{line}   ", end="" if done < total else "\n", flush=True)
    elif 5 * done // total > 5 * (done - 1) // total:
        print(line, flush=True)


def within(values, form):
    """Mean and standard error over the starts, as text."""
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):{form}} ± {error:{form}}"


def verdict(differences):
    """Whether differences, one a start, are above 0; "not shown" within two standard errors."""
    error = np.std(differences, ddof=1) / len(differences) ** 0.5
    if abs(np.mean(differences)) <= 2 * error:
        return "not shown"
    return "held" if np.mean(differences) > 0 else "did not hold"


def quadratic():
    """Linear regression by Newton."""
    x, y = data()
    keras.utils.set_random_seed(0)
    line = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    line.compile(optimizer=kd.optimizers.Newton(), loss="mse", **COMPILE)
    second_derivatives = kd.callbacks.SecondDerivatives()
    line.fit(
        x,
        y,
        batch_size=len(x),
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=[second_derivatives],
    )
    progress = line.optimizer.progress
    print(
        f"Fast convergence: on a quadratic (linear regression) Newton took "
        f"{progress['iterations']} step to a gradient of {progress['gradient_norm']:.1e}."
    )


def race(starts):
    """Train the network by each method from each start.

    Returns:
        Each method's curves, and for each start the loss at which it counts as solved.
    """
    curves, targets, begin = {name: [] for name in COLORS}, [], time.perf_counter()
    for start in range(starts):
        longest = trained(kd.optimizers.LBFGS(gradient_tolerance=0.0), start, LIMITS["L-BFGS"])
        targets.append(1.02 * min(longest.losses))
        curves["L-BFGS"].append(longest)
        curves["Newton"].append(trained(kd.optimizers.Newton(), start, LIMITS["Newton"]))
        adam = keras.optimizers.Adam(1e-2)
        curves["Adam"].append(trained(adam, start, LIMITS["Adam"], targets[-1]))
        show_progress(start + 1, starts, begin)
    return curves, targets


def draw(curves, targets, path):
    """How far the loss is from the lowest that any method found from the same start."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    for start in range(len(targets)):
        of_start = {name: np.array(of[start].losses) for name, of in curves.items()}
        lowest = min(losses.min() for losses in of_start.values())
        for name, losses in of_start.items():
            # The loss of trial points that were not accepted goes up and down.
            above = np.minimum.accumulate(losses) - lowest
            evaluations = 1 + np.flatnonzero(above > 0)
            label = name if start == 0 else None
            axis.loglog(evaluations, above[above > 0], color=COLORS[name], alpha=0.7, label=label)
    axis.set(
        xlabel="evaluations of loss and gradient",
        ylabel="lowest loss so far, above the lowest of all methods",
    )
    axis.set_title(f"X; {len(targets)} starts", fontsize=10)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(starts=STARTS, picture=Path("logs/second_order.png")):
    """Print the sentences and draw the picture."""
    quadratic()
    curves, targets = race(starts)
    reached = {
        name: np.array([c.reached(t) for c, t in zip(of, targets, strict=True)]).T
        for name, of in curves.items()
        if name in LIMITS
    }
    print(f"The same network (31 weights) from {starts} starts, full batch:")
    for name, (evaluations, seconds) in reached.items():
        print(f"  {name:7s} {evaluations} {seconds}")
    draw(curves, targets, Path(picture))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=Path("logs/second_order.png"))
    main(picture=parser.parse_args().picture)
