"""A custom layer with a subtle fault in its gradient: found, named, mended, and what a check costs.

The notes: "Check if the gradients are being calculated correctly" by
gradapprox = (J(theta + epsilon) - J(theta - epsilon)) / (2 epsilon); "computationally expensive, so
it should only be used to check the gradients, not to train the model". Each claim is printed with
the figure that this run measured. A picture shows how the difference depends on epsilon.

    python examples/gradient_check.py
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_dlnotes as kd
from keras_dlnotes.numerics.central_differences import step_sizes

SEEDS = 5  # of the networks that train with the fault and without
EPOCHS = 5


def scaled_unit_norm(correct):
    """X / |x| with a gradient of its own; the wrong one forgets that |x| depends on x."""

    @ops.custom_gradient
    def function(x):
        norm = ops.sqrt(ops.sum(x**2, axis=-1, keepdims=True))
        y = x / norm

        def gradient(*received, upstream=None):
            upstream = received[0] if upstream is None else upstream
            along = ops.sum(upstream * y, axis=-1, keepdims=True) * y if correct else 0.0
            return (upstream - along) / norm

        return y, gradient

    return function


class UnitNorm(keras.layers.Layer):
    """Divides each example by its length and multiplies by a learned scale."""

    def __init__(self, correct):
        super().__init__()
        self.function = scaled_unit_norm(correct)

    def build(self, input_shape):
        """Makes the scale."""
        self.scale = self.add_weight((input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        """The scaled unit vectors."""
        return self.function(x) * self.scale


def network(correct, seed=0):
    """A classifier of digits with the layer in its middle."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(32),
            UnitNorm(correct),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def seconds_of(function, repetitions):
    """The shortest time of several."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def differences_by_step(steps, dtype):
    """Relative error |gradapprox - gradient| / max(|gradapprox|, |gradient|) for each step epsilon.

    In NumPy, all in one dtype: J(x) = sum(c * x / |x|), the layer's output times fixed numbers c;
    |.| is the norm over all coordinates of x.

    Returns:
        The errors of the layer's right gradient and of its wrong one, each [steps].
    """
    x, c = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(dtype)

    def loss(x):
        return np.sum(c * x / np.linalg.norm(x, axis=-1, keepdims=True), axis=(-2, -1))

    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    along = np.sum(c * x / norm, axis=-1, keepdims=True) * x / norm
    moves = np.eye(x.size, dtype=dtype).reshape(-1, *x.shape)  # one coordinate at a time
    errors = {"right": [], "wrong": []}
    for step in steps.astype(dtype):
        approximate = (loss(x + step * moves) - loss(x - step * moves)) / (2 * step)
        for name, gradient in (("right", (c - along) / norm), ("wrong", c / norm)):
            size = max(np.linalg.norm(approximate), np.linalg.norm(gradient))
            distance = np.linalg.norm(approximate - gradient.ravel())
            errors[name].append(distance / size)
    return errors


def draw(path):
    """The differences over the step: a V for the right gradient, a plateau for the wrong one."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    lines = {"float64": ("-", np.logspace(-13, 0, 80)), "float32": ("--", np.logspace(-7, 0, 43))}
    at_default = {}
    for dtype, (style, steps) in lines.items():
        for name, errors in differences_by_step(steps, dtype).items():
            color = {"right": "tab:blue", "wrong": "tab:red"}[name]
            axis.loglog(steps, errors, style, color=color, label=f"{name} gradient, {dtype}")
        default = step_sizes(np.finfo(dtype).eps, 1)
        at_default[dtype] = differences_by_step(default, dtype)
        label = "step of check_gradients, eps$^{1/3}$" if dtype == "float64" else None
        axis.plot(default, at_default[dtype]["right"], "kv", markersize=8, label=label)
    axis.text(2e-11, 1e-4, "rounding,\nproportional to 1/ε", fontsize=9, color="0.3")
    axis.text(2e-3, 1e-8, "truncation,\nproportional to ε²", fontsize=9, color="0.3")
    axis.set(
        xlabel="step ε",
        ylabel="relative error of the difference",
        title="Right gradient: the error falls to rounding. Wrong gradient: no step makes it small",
    )
    axis.title.set_fontsize(10)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    return at_default


def main(seeds=SEEDS, epochs=EPOCHS, picture=Path("logs/gradient_check.png")):
    """Prints the story and draws the picture."""
    digits = load_digits()
    x, y = (digits.data / 16.0).astype("float32"), digits.target

    print("1. The layer alone, in one line: kd.check_gradients(UnitNorm(...), inputs)\n")
    vectors = np.random.default_rng(0).normal(size=(4, 6))
    report = kd.check_gradients(UnitNorm(correct=False), vectors)
    print(report)

    print("\n2. The same fault trains, which is why it is easily missed.")
    for correct in (False, True):
        accuracies = []
        for seed in range(seeds):
            history = network(correct, seed).fit(x, y, batch_size=64, epochs=epochs, verbose=0)
            accuracies.append(history.history["accuracy"][-1])
        name = "right" if correct else "wrong"
        print(
            f"   {name} gradient: accuracy {min(accuracies):.1%} to {max(accuracies):.1%} after "
            f"{epochs} epochs (range of {seeds} seeds)"
        )

    print("\n3. In fit: callbacks=[kd.callbacks.GradientCheck(action='raise')]")
    try:
        network(correct=False).fit(
            x, y, verbose=0, callbacks=[kd.callbacks.GradientCheck(action="raise")]
        )
    except AssertionError as error:
        wrong = [line for line in str(error).splitlines() if line.startswith("failed")]
        print(
            f"   stopped before the first step; {len(wrong)} variables below the layer are wrong:"
        )
        print("\n".join(f"   {line}" for line in wrong))

    print("\n4. The mended layer passes, at the start and after 100 steps.")
    model = network(correct=True)
    check = kd.callbacks.GradientCheck(action="raise")
    model.fit(x, y, batch_size=64, epochs=4, verbose=0, callbacks=[check])
    for name, report in check.reports.items():
        worst = max(row.relative_error for row in report.rows)
        print(f"   {name}: {len(report.rows)} variables passed, largest relative error {worst:.0e}")

    print("\n5. What it costs (the notes: computationally expensive, so only to check).")
    batch = x[:32], y[:32]
    model.train_on_batch(*batch)
    step = seconds_of(lambda: model.train_on_batch(*batch), 20)
    check_seconds = seconds_of(lambda: kd.check_gradients(model, *batch, verbose=0), 3)
    losses = 2 * model.count_params()
    print(f"   training steps per second: {1 / step:.0f} (the fastest of 20)")
    print(f"   checks per second, directions over every variable: {1 / check_seconds:.2g} (of 3)")
    print(f"   one check costs as much as {check_seconds / step:.0f} training steps")
    print(
        f"   the notes' formula, coordinate by coordinate, needs {losses} losses for one gradient;"
        f" the check needed {kd.check_gradients(model, *batch, verbose=0).evaluations}"
    )

    print("\n6. Which epsilon? The error of the formula, relative, at the step of check_gradients.")
    for dtype, errors in draw(Path(picture)).items():
        (right,), (wrong,) = errors.values()
        print(f"   {dtype}: {right:.0e} with the right gradient, {wrong:.1g} with the wrong one")
    print(f"Picture: {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, default=Path("logs/gradient_check.png"))
    main(picture=parser.parse_args().picture)
