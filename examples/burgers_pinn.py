"""The viscous Burgers equation as a physics-informed network, by four optimizers.

    u_t + u u_x = nu u_xx,   nu = 0.01 / pi,   u(0, x) = -sin(pi x),   u(t, -1) = u(t, 1) = 0

The network N enters as u = -sin(pi x) + t (1 - x^2) N(t, x), which satisfies the initial and the
boundary values whatever N is, so the loss is the equation's residual alone, squared and averaged
over fixed collocation points. Everything is float64 on TensorFlow: on other backends Keras
computes parts of such a network in float32.

    python examples/burgers_pinn.py             a quarter of an hour on two cores
    python examples/burgers_pinn.py --minutes 1 each optimizer's share in minutes
    python examples/burgers_pinn.py --long      the published size, 3,021 weights, for hours

L-BFGS, SSBroyden and Gauss-Newton each start from where Adam is after a quarter of its time and are
given the same time as Adam; what is printed is the relative L2 error against a spectral solution
that the script computes itself. One picture has the errors of all of them over time, and one for
each the solution. Gauss-Newton takes `acceleration=True`: the valley of this loss is long and bent.
It is one run of each, from one start: which is ahead by how much differs from start to start.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np
import tensorflow as tf

import keras_dlnotes as kd

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from scipy.stats import norm, qmc

VISCOSITY = 0.01 / np.pi
METHODS = 4  # which share the time


def spectral_solution(modes, steps, times):
    """Fourier pseudo-spectral in space (u is odd and 2-periodic), RK4 with integrating factor."""
    x = -1.0 + 2.0 * np.arange(modes) / modes
    wave = np.pi * np.fft.rfftfreq(modes, 1.0 / modes)
    keep = wave < wave[-1] * 2.0 / 3.0  # products of the rest would fold back
    dt = 1.0 / steps
    half = np.exp(-VISCOSITY * wave**2 * dt / 2.0)

    def slope(u_hat):
        u = np.fft.irfft(u_hat, modes)
        return -0.5j * wave * np.fft.rfft(u * u) * keep

    u_hat = np.fft.rfft(-np.sin(np.pi * x))
    rows, every = [np.fft.irfft(u_hat, modes)], steps // (times - 1)
    for step in range(1, steps + 1):
        a = slope(u_hat)
        b = slope(half * (u_hat + dt / 2.0 * a))
        c = slope(half * u_hat + dt / 2.0 * b)
        d = slope(half * (half * u_hat + dt * c))
        u_hat = half**2 * (u_hat + dt / 6.0 * a) + dt / 3.0 * half * (b + c) + dt / 6.0 * d
        if step % every == 0:
            rows.append(np.fft.irfft(u_hat, modes))
    return x, np.array(rows)


def reference(times=101, points=256):
    """The solution on a grid, and how far two resolutions of the solver are apart on it."""
    x, coarse = spectral_solution(2048, 5000, times)
    _, fine = spectral_solution(4096, 10000, times)
    grid = x[:: 2048 // points]
    coarse, fine = coarse[:, :: 2048 // points], fine[:, :: 4096 // points]
    difference = np.linalg.norm(fine - coarse) / np.linalg.norm(fine)
    return np.linspace(0.0, 1.0, times), grid, fine, difference


class BurgersNetwork(keras.Model):
    """u(t, x)."""

    def __init__(self, layers, units):
        super().__init__()
        inner = [keras.layers.Dense(units, "tanh") for _ in range(layers)]
        self.network = keras.Sequential([keras.Input((2,)), *inner, keras.layers.Dense(1)])

    def call(self, points):
        """U at points (t, x), [n, 2] to [n, 1]."""
        t, x = points[:, :1], points[:, 1:]
        # The inputs scaled to [-1, 1], as for any network.
        inner = self.network(tf.concat([2.0 * t - 1.0, x], axis=1))
        return -tf.sin(np.pi * x) + t * (1.0 - x * x) * inner


class Equation(keras.Model):
    """What is left of the equation where u is the network: the residuals.

    The loss is the mean of their squares. As the outputs of a model, and not hidden in its
    `compute_loss`, they are what `GaussNewton` takes the Jacobian of.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, points):
        """U_t + u u_x - nu u_xx at points (t, x), [n, 2] to [n, 1]."""
        t, x = points[:, :1], points[:, 1:]
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape(persistent=True) as first:
                first.watch((t, x))
                u = self.network(tf.concat([t, x], axis=1))
            u_t, u_x = first.gradient(u, t), first.gradient(u, x)
        u_xx = second.gradient(u_x, x)
        return u_t + u * u_x - VISCOSITY * u_xx


class Clock(keras.callbacks.Callback):
    """Ends `fit` after so many seconds, and notes the error on the way.

    Args:
        name: the method's.
        seconds: its time.
        later: the time of the methods that follow, in seconds.
        error: called for the relative error.
        curve: the list of (seconds, error) to fill.
    """

    def __init__(self, name, seconds, later, error, curve):
        super().__init__()
        self.name, self.seconds, self.later = name, seconds, later
        self.error, self.curve = error, curve

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.begin = time.time()
        self.next = 0.0

    def on_epoch_end(self, epoch, logs=None):
        """Look at the clock. The error is that of the point at hand, which may be a trial."""
        passed = time.time() - self.begin
        if passed >= self.next:
            self.curve.append((passed, self.error()[0]))
            self.next = passed + self.seconds / 40.0
            self.show(max(self.seconds - passed, 0.0) + self.later)
        if passed > self.seconds:
            self.model.stop_training = True

    def show(self, left):
        """A line with the time left: rewritten in a terminal, elsewhere one now and then."""
        line = f"{self.name}: relative error {self.curve[-1][1]:.1e}, {left / 60:.1f} minutes left"
        if sys.stdout.isatty():
            print(f"\r{line:79s}", end="", flush=True)
        elif len(self.curve) % 10 == 1:
            print(line, flush=True)


class Kept(keras.callbacks.Callback):
    """The weights after so many seconds: where the other methods start.

    Args:
        seconds: when they are kept.
    """

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.weights = seconds, None

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.begin = time.time()

    def on_epoch_end(self, epoch, logs=None):
        """Keep them once."""
        if self.weights is None and time.time() - self.begin >= self.seconds:
            self.weights = self.model.network.get_weights()


def collocation_points(count):
    """Points in (t, x); a third of them near the front that forms at x = 0.

    Sobol's sequence leaves smaller gaps than random points: between those a network that satisfies
    the equation at all of them is still wrong.
    """
    powers = 2 ** int(np.ceil(np.log2(count)))  # what the sequence is balanced for
    t, x = qmc.Sobol(2, seed=0).random(powers)[:count].T
    near = np.arange(count) % 3 == 0
    x = np.where(near, np.clip(0.05 * norm.ppf(x), -1.0, 1.0), 2.0 * x - 1.0)
    return np.stack([t, x], axis=1)


def main():
    """Train by each optimizer, print a table, save the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3.75, help="for each optimizer")
    parser.add_argument("--points", type=int, default=3000)
    parser.add_argument("--long", action="store_true", help="8 x 20 units, 10,000 points, hours")
    parser.add_argument("--pictures", type=Path, default=Path("logs/burgers_pinn"))
    arguments = parser.parse_args()
    layers, points, minutes = 4, arguments.points, arguments.minutes
    if arguments.long:
        layers, points, minutes = 8, 10_000, 120.0

    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(0)
    t, x, solution, difference = reference()
    print(f"reference: two resolutions of the spectral solver differ by {difference:.1e}")
    grid = np.stack(np.meshgrid(t, x, indexing="ij"), axis=-1).reshape(-1, 2)

    network = BurgersNetwork(layers, 20)
    network(grid[:2])
    model = Equation(network)
    data = collocation_points(points)
    model(data[:2])

    def error():
        u = network.predict(grid, batch_size=len(grid), verbose=0).reshape(solution.shape)
        return np.linalg.norm(u - solution) / np.linalg.norm(solution), u

    curves, table = {}, []

    def train(name, optimizer, *callbacks, steps=20):
        """Fit for this optimizer's share, with `steps` of its steps in one execution."""
        model.compile(optimizer=optimizer, loss="mse", steps_per_execution=steps)
        batches = tf.data.Dataset.from_tensors((data, np.zeros((points, 1))))
        batches = batches.repeat(5 * steps if steps > 1 else 1)
        later = 60.0 * minutes * (METHODS - 1 - len(table))
        clock = Clock(name, 60.0 * minutes, later, error, curves.setdefault(name, []))
        began = time.time()
        callbacks = [*callbacks, clock]
        model.fit(batches, epochs=10**6, verbose=0, shuffle=False, callbacks=callbacks)
        taken = time.time() - began
        last, u = error()
        table.append((name, taken, last))
        draw(name, t, x, solution, u, arguments.pictures)

    print(f"{network.count_params()} weights, {points} points, {minutes:g} minutes each")
    rate = keras.optimizers.schedules.ExponentialDecay(2e-3, 1000, 0.9)
    kept = Kept(15.0 * minutes)
    train("Adam", keras.optimizers.Adam(rate), kept)
    stop = kd.callbacks.StopWhenConverged
    for name, optimizer, more, steps in (
        ("L-BFGS", kd.optimizers.LBFGS(memory_size=50, gradient_tolerance=1e-14), (), 20),
        ("SSBroyden", kd.optimizers.BFGS("ssbroyden", gradient_tolerance=1e-14), (), 20),
        (
            "Gauss-Newton",
            kd.optimizers.GaussNewton(acceleration=True),
            (kd.callbacks.SecondDerivatives(),),
            1,
        ),
    ):
        network.set_weights(kept.weights)
        train(f"Adam, then {name}", optimizer, *more, stop(), steps=steps)
        line = f"{name}: {optimizer.progress['evaluations']} evaluations, {optimizer.status}"
        print(f"\r{line:79s}" if sys.stdout.isatty() else line)

    print(f"{'':24s} seconds  relative L2 error")
    for name, taken, last in table:
        print(f"{name:24s} {taken:7.0f}  {last:.2e}")
    print("published with 3,021 weights: 6.7e-04 (L-BFGS), 1.6e-08 (SSBroyden, after hours)")
    draw_curves(curves, kept.seconds, arguments.pictures)
    print(f"pictures: {arguments.pictures}")


def draw(name, t, x, solution, u, folder):
    """The solution that a method has found, and its error."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    figure.suptitle(name)
    for axis, values, title in (
        (axes[0], u, "u(t, x), the network"),
        (axes[1], np.abs(u - solution), "|network - spectral solution|"),
    ):
        colours = "RdBu" if values is u else "magma"
        mesh = axis.pcolormesh(t, x, values.T, shading="auto", cmap=colours)
        axis.set(xlabel="t", ylabel="x", title=title)
        figure.colorbar(mesh, ax=axis)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name.lower().replace(', ', '_').replace(' ', '_')}.png", dpi=120)
    plt.close(figure)


def draw_curves(curves, begin, folder):
    """The errors of all methods over time, those after Adam from where they begin."""
    figure, axis = plt.subplots(figsize=(8, 5), constrained_layout=True)
    for name, curve in curves.items():
        seconds, errors = np.array(curve).T
        axis.semilogy(seconds + (0.0 if name == "Adam" else begin), errors, label=name)
    axis.set(
        xlabel="seconds",
        ylabel="relative L2 error",
        title="Adam, and three methods that start from it",
    )
    axis.legend()
    figure.savefig(folder / "errors_over_time.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
