"""A custom layer with a subtle fault in its gradient: found, named, mended, and what a check costs.

The notes: "Check if the gradients are being calculated correctly" by
gradapprox = (J(theta + epsilon) - J(theta - epsilon)) / (2 epsilon); "computationally expensive, so
it should only be used to check the gradients, not to train the model". Each claim is printed with
the figure that this run measured.

    python examples/gradient_check.py
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import keras_dlnotes as kd


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


def network(correct):
    """A classifier of digits with the layer in its middle."""
    keras.utils.set_random_seed(0)
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


def main():
    """Prints the story."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    digits = load_digits()
    x, y = (digits.data / 16.0).astype("float32"), digits.target

    print("1. The layer alone, in one line: kd.check_gradients(UnitNorm(...), inputs)\n")
    vectors = np.random.default_rng(0).normal(size=(4, 6))
    report = kd.check_gradients(UnitNorm(correct=False), vectors)
    print(report)

    print("\n2. The same fault trains, which is why it is easily missed.")
    for correct in (False, True):
        model = network(correct)
        history = model.fit(x, y, batch_size=64, epochs=5, verbose=0)
        accuracy = history.history["accuracy"][-1]
        name = "right" if correct else "wrong"
        print(f"   {name} gradient: accuracy {accuracy:.1%} after 5 epochs")

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
    print(f"   training steps per second: {1 / step:.0f}")
    print(f"   checks per second, directions over every variable: {1 / check_seconds:.2g}")
    print(f"   one check costs as much as {check_seconds / step:.0f} training steps")
    print(
        f"   the notes' formula, coordinate by coordinate, needs {losses} losses for one gradient;"
        f" the check needed {kd.check_gradients(model, *batch, verbose=0).evaluations}"
    )


if __name__ == "__main__":
    main()
