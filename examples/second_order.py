"""The notes on second-order methods, each advantage and challenge as a sentence with its figure.

KERAS_BACKEND=tensorflow python examples/second_order.py     (or jax, or torch)
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_dlnotes as kd

# XLA has no vectorised Hessian, and on models this small compiling costs more than it saves.
COMPILE = {"jit_compile": keras.backend.backend() == "jax"}


def data():
    """A curved surface over three inputs, with a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype("float32")
    y = np.sin(x @ np.array([1.0, -1.0, 0.5])) + 0.05 * rng.normal(size=200)
    return x, y[:, None].astype("float32")


def network():
    """31 weights with a small penalty, always the same at the start."""
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(1e-4)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(6, "tanh", kernel_regularizer=penalty),
            keras.layers.Dense(1, kernel_regularizer=penalty),
        ]
    )


class Until(keras.callbacks.Callback):
    """Ends `fit` at a loss and counts the epochs and seconds after the first, which compiles."""

    def __init__(self, target):
        super().__init__()
        self.target, self.steps, self.seconds, self.loss = target, 0, 0.0, float("inf")

    def on_epoch_end(self, epoch, logs=None):
        """Count, and look at the loss."""
        if epoch == 0:
            self.began = time.perf_counter()
        self.steps, self.loss = epoch + 1, logs["loss"]
        self.seconds = time.perf_counter() - self.began
        if self.loss <= self.target:
            self.model.stop_training = True


def until(optimizer, target, epochs):
    """Train the network on the full batch down to a loss."""
    x, y = data()
    model, clock = network(), Until(target)
    model.compile(optimizer=optimizer, loss="mse", **COMPILE)
    callbacks = [clock]
    if isinstance(optimizer, kd.optimizers.Newton):
        callbacks.append(kd.callbacks.SecondDerivatives())
    model.fit(x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return clock


def main():
    """Print the sentences."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    x, y = data()
    keras.utils.set_random_seed(0)
    line = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    line.compile(optimizer=kd.optimizers.Newton(), loss="mse", **COMPILE)
    line.fit(
        x,
        y,
        batch_size=len(x),
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=[kd.callbacks.SecondDerivatives()],
    )
    progress = line.optimizer.progress
    print(
        f"Fast convergence: on a quadratic (linear regression) Newton took "
        f"{progress['iterations']} step to a gradient of {progress['gradient_norm']:.1e}."
    )

    reference = until(kd.optimizers.LBFGS(gradient_tolerance=0.0), 0.0, 400)
    target = 1.02 * reference.loss
    rows = [
        ("Newton", until(kd.optimizers.Newton(), target, 300)),
        ("L-BFGS", until(kd.optimizers.LBFGS(), target, 1000)),
        ("Adam", until(keras.optimizers.Adam(1e-2), target, 6000)),
    ]
    print(f"The same network (31 weights) down to a loss of {target:.5f}, full batch:")
    for name, clock in rows:
        end = "" if clock.loss <= target else f", but only to {clock.loss:.5f}"
        print(f"  {name:7s} {clock.steps:5d} evaluations, {clock.seconds:6.2f} s{end}")
    print("No learning rate: Newton and L-BFGS were given none; Adam's was 0.01.")

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

    model = network()
    optimizer = kd.optimizers.LBFGS()
    model.compile(optimizer=optimizer, loss="mse", **COMPILE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, batch_size=20, epochs=5, verbose=0)
    told = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    print(
        f"Not suitable for mini-batches: with batches of 20 L-BFGS stopped after "
        f"{optimizer.progress['iterations']} steps, status {optimizer.status!r}, and said:"
    )
    print(f"  {told[0]}")


if __name__ == "__main__":
    main()
