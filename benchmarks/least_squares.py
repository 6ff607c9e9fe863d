"""Seconds and evaluations to a loss in `fit`: GaussNewton against NewtonCG, LBFGS, BFGS and Adam.

    KERAS_BACKEND=jax OMP_NUM_THREADS=1 python benchmarks/least_squares.py

Two data sets of scikit-learn, full batch, float32: the digits with a network of 610 weights and a
cross-entropy, and the diabetes regression, standardised, with one of 193 weights and a mean of
squares. Every method starts from the same weights. The clock runs from the end of the first
evaluation, which is compiled in it, to the end of the first epoch with a loss at or below a target;
methods take turns, the median of 3 rounds counts. A method that does not get there within its
evaluations is left blank.
"""

import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_diabetes, load_digits

import keras_dlnotes as kd

ROUNDS = 3
METHODS = {
    "GaussNewton": (kd.optimizers.GaussNewton, 150),
    "GaussNewton, uniform": (lambda: kd.optimizers.GaussNewton(scale="uniform"), 150),
    "NewtonCG, gauss_newton": (lambda: kd.optimizers.NewtonCG("gauss_newton"), 3000),
    "LBFGS": (kd.optimizers.LBFGS, 3000),
    "BFGS": (kd.optimizers.BFGS, 3000),
    "Adam(0.01)": (lambda: keras.optimizers.Adam(1e-2), 5000),
}


def tasks():
    """Name, layer sizes, data, loss, targets."""
    digits = load_digits()
    x = (digits.data / 16.0).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    yield "digits", (64, 8, 10), x, digits.target, loss, (0.1, 0.01, 0.001)
    x, y = load_diabetes(return_X_y=True, scaled=True)
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")
    y = ((y - y.mean()) / y.std()).astype("float32")[:, None]
    yield "diabetes", (10, 16, 1), x, y, "mse", (0.4, 0.2, 0.1)


class Clock(keras.callbacks.Callback):
    """Notes when the loss first falls to each target, and ends `fit` at the last."""

    def __init__(self, targets):
        super().__init__()
        self.targets = targets
        self.reached = {}
        self.begin = None

    def on_epoch_end(self, epoch, logs=None):
        """Compare the loss."""
        now = time.perf_counter()
        if self.begin is None:
            self.begin = now
        for target in self.targets:
            if logs["loss"] <= target:
                self.reached.setdefault(target, (now - self.begin, epoch + 1))
        if len(self.reached) == len(self.targets):
            self.model.stop_training = True


def run(make, most, sizes, x, y, loss, targets):
    """Dict from target to seconds and evaluations."""
    keras.utils.set_random_seed(0)
    inner = [keras.layers.Dense(n, "tanh") for n in sizes[1:-1]]
    model = keras.Sequential([keras.Input((sizes[0],)), *inner, keras.layers.Dense(sizes[-1])])
    optimizer = make()
    model.compile(optimizer, loss=loss)
    clock = Clock(targets)
    callbacks = [clock]
    if hasattr(optimizer, "differentiate"):
        callbacks.insert(0, kd.callbacks.SecondDerivatives())
    if hasattr(optimizer, "swap_in_trial_point"):
        callbacks.append(kd.callbacks.StopWhenConverged(verbose=0))
    model.fit(x, y, batch_size=len(x), epochs=most, shuffle=False, verbose=0, callbacks=callbacks)
    return clock.reached


def main():
    """Prints a table for each task."""
    for name, sizes, x, y, loss, targets in tasks():
        found = {method: [] for method in METHODS}
        for _ in range(ROUNDS):
            for method, (make, most) in METHODS.items():
                found[method].append(run(make, most, sizes, x, y, loss, targets))
        heads = " | ".join(f"loss {target:g}" for target in targets)
        print(f"\n| {name}, {keras.backend.backend()}: seconds (evaluations) | {heads} |")
        print("|---" * (1 + len(targets)) + "|")
        for method, rounds in found.items():
            cells = []
            for target in targets:
                reached = [each[target] for each in rounds if target in each]
                seconds = np.median([s for s, _ in reached]) if len(reached) == ROUNDS else None
                cells.append(f"{seconds:.2f} ({reached[0][1]})" if seconds is not None else "")
            print(f"| {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
