"""The notes on second-order methods, each advantage and challenge as a sentence with its figure.

KERAS_BACKEND=tensorflow python examples/second_order.py     (or jax, or torch)

The comparisons are made from several starts. A picture shows the loss over the evaluations.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from _spread import show_progress, verdict, within
from matplotlib.figure import Figure

import keras_dlnotes as kd

STARTS = 4
LIMITS = {"Newton": 300, "L-BFGS": 1000, "Adam": 4000}  # evaluations
BATCH_SIZE, NOISY = 20, 50  # of the mini-batches, and how many of them
MINI = f"L-BFGS, batches of {BATCH_SIZE}"
COLORS = {"Newton": "tab:red", "L-BFGS": "tab:blue", "Adam": "tab:green", MINI: "tab:orange"}

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
    """The loss of each evaluation."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        """An epoch is an evaluation."""
        # Of mini-batches the loss is that of one batch; the whole data's is the validation loss.
        self.losses.append(logs.get("val_loss", logs["loss"]))

    def evaluations(self, target):
        """How many it took to a loss; one more than there were if it never was so low."""
        low = np.flatnonzero(np.array(self.losses) <= target)
        return low[0] + 1 if low.size else len(self.losses) + 1


def trained(optimizer, start, evaluations, target=0.0):
    """Train the network on the full batch until the loss is at the target."""
    x, y = data()
    model, curve = network(start), Curve()
    model.compile(optimizer=optimizer, loss="mse", **COMPILE)
    for _ in range(evaluations):
        model.reset_metrics()
        # It does what an epoch of `fit` does, in less time.
        curve.losses.append(float(model.train_on_batch(x, y)))
        if curve.losses[-1] <= target:
            break
    return curve


def trained_by_newton(start):
    """The same by Newton, until it converges, in `fit`: a callback has the second derivatives."""
    x, y = data()
    model, curve = network(start), Curve()
    model.compile(optimizer=kd.optimizers.Newton(), loss="mse", **COMPILE)
    model.fit(
        x,
        y,
        batch_size=len(x),
        epochs=LIMITS["Newton"],
        shuffle=False,
        verbose=0,
        callbacks=[
            kd.callbacks.SecondDerivatives(),
            kd.callbacks.StopWhenConverged(verbose=0),
            curve,
        ],
    )
    return curve


def trained_on_mini_batches(start):
    """L-BFGS where each evaluation sees another batch: its curve, and how it ended."""
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
            epochs=NOISY,
            verbose=0,
            validation_data=(x, y),
            validation_batch_size=len(x),
            callbacks=[curve],
        )
    told = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    return curve, {**optimizer.progress, "status": optimizer.status, "told": told}


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
        Each method's curves; for each start the loss that counts as solved, 10 % above the lowest
        of Newton and L-BFGS; and how L-BFGS ended on mini-batches.
    """
    curves, targets, ends, begin = {name: [] for name in COLORS}, [], [], time.perf_counter()
    for start in range(starts):
        curves["Newton"].append(trained_by_newton(start))
        lbfgs = kd.optimizers.LBFGS(gradient_tolerance=0.0)
        curves["L-BFGS"].append(trained(lbfgs, start, LIMITS["L-BFGS"]))
        targets.append(1.1 * min(curves["Newton"][-1].losses + curves["L-BFGS"][-1].losses))
        adam = keras.optimizers.Adam(1e-2)
        curves["Adam"].append(trained(adam, start, LIMITS["Adam"], targets[-1]))
        curve, end = trained_on_mini_batches(start)
        curves[MINI].append(curve)
        ends.append(end)
        show_progress(start + 1, starts, begin, "starts")
    return curves, targets, ends


def compare(curves, targets):
    """Print how many evaluations each method took on the full batch; returns what that shows."""
    took = {
        name: [c.evaluations(t) for c, t in zip(curves[name], targets, strict=True)]
        for name in LIMITS
    }
    print(
        f"The same network (31 weights) from {len(targets)} starts, full batch, to 10 % above the "
        "lowest loss of Newton and L-BFGS; means and standard errors:"
    )
    for name, evaluations in took.items():
        solved = sum(min(c.losses) <= t for c, t in zip(curves[name], targets, strict=True))
        print(
            f"  {name:7s} {within(evaluations, '.0f'):>11s} evaluations, {solved} of "
            f"{len(targets)} came there"
        )
    outcomes = [
        f"{name} ({verdict(np.log(took['Adam']) - np.log(took[name]))})"
        for name in ("Newton", "L-BFGS")
    ]
    shown = f"Fewer evaluations than Adam: {', '.join(outcomes)}."
    print(f"{shown} (One of Newton's takes the Hessian as well.)")
    print("No learning rate: Newton and L-BFGS were given none; Adam's was 0.01.")
    return shown


def impractical():
    """Print what a million weights would take."""
    size = 10**6
    print(
        f"Impractical for deep networks: the Hessian of {size:,} weights has {size**2:.0e} "
        f"numbers, {4 * size**2 / 1e12:.0f} TB; asked for it, Newton answers:"
    )
    wide = keras.layers.Dense(1000)
    wide.build((None, 999))
    try:
        kd.optimizers.Newton().build(wide.trainable_variables)
    except ValueError as error:
        print(f"  {error}")
    history = 2 * 10 * size * 4 / 1e6
    print(f"Limited memory: L-BFGS keeps {history:.0f} MB for the same weights.")


def mini_batches(curves, ends):
    """Print what L-BFGS does on mini-batches, the full batch as control; returns the claim."""
    noisy = np.array([curve.losses[-1] for curve in curves[MINI]])
    full = np.array([min(curve.losses[:NOISY]) for curve in curves["L-BFGS"]])
    steps = [end["iterations"] for end in ends]
    claim = f"Not suitable for mini-batches: {verdict(np.log(noisy) - np.log(full))}."
    print(
        f"{claim} After {NOISY} batches of {BATCH_SIZE} the loss on all data is "
        f"{within(noisy, '.3f')}, after as many evaluations of the full batch "
        f"{within(full, '.3f')}. L-BFGS stopped after {min(steps)} to {max(steps)} steps, status "
        f"{ends[0]['status']!r}, and said:"
    )
    print(f"  {ends[0]['told'][0]}")
    return claim


def draw(curves, title, path):
    """How far the loss is from the lowest that any method found from the same start."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    starts = range(len(curves["Newton"]))
    for start in starts:
        of_start = {name: np.array(of[start].losses) for name, of in curves.items()}
        lowest = min(losses.min() for losses in of_start.values())
        for name, losses in of_start.items():
            above = np.minimum.accumulate(losses) - lowest  # without the trials that were rejected
            evaluations = 1 + np.flatnonzero(above > 0)
            label = name + " (to 10 % above)" * (name == "Adam") if start == 0 else None
            axis.loglog(evaluations, above[above > 0], color=COLORS[name], alpha=0.8, label=label)
    axis.set(
        xlabel="evaluations of loss and gradient",
        ylabel="lowest loss so far, above that of all methods",
    )
    axis.set_title(f"{title}\nA line for each of {len(starts)} starts", fontsize=10)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(starts=STARTS, picture=Path("logs/second_order.png")):
    """Print the sentences and draw the picture."""
    quadratic()
    curves, targets, ends = race(starts)
    shown = compare(curves, targets)
    impractical()
    claim = mini_batches(curves, ends)
    draw(curves, f"{shown} {claim}", Path(picture))
    print(f"Picture: {picture}")
    return curves


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=Path("logs/second_order.png"))
    main(picture=parser.parse_args().picture)
