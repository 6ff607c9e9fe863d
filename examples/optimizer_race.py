"""A race of the six first-order optimizers: a narrow valley, a saddle, a plateau and a network.

    python examples/optimizer_race.py

Each of the notes' intuitions is checked in a printed sentence, and two pictures go to
`logs/optimizer_race/`: the paths over the three surfaces, and the loss against the step.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import keras_dlnotes as kd

FOLDER = Path("logs/optimizer_race")
RULES = ["GradientDescent", "Momentum", "NesterovMomentum", "AdaGrad", "RMSProp", "Adam"]
STEPS = 200


def valley(x, y):
    """Fifty times steeper across than along."""
    return 0.5 * (x**2 + 50 * y**2), np.array([x, 50 * y])


def saddle(x, y):
    """Downhill along x to the saddle at the origin, then sideways to a minimum at y = ±1."""
    return 0.5 * x**2 - 0.5 * y**2 + 0.25 * y**4, np.array([x, y**3 - y])


def plateau(x, y):
    """A well in a wide flat surface."""
    height = np.exp(-0.5 * (x**2 + y**2))
    return 1 - height, np.array([x * height, y * height])


# The surface, the start, the lowest loss, and two learning rates: for the three rules whose step
# is proportional to the gradient, and for the three that divide it by the gradient's size.
SURFACES = {
    "narrow valley": (valley, (-4.0, 1.0), 0.0, (0.02, 0.1)),
    "saddle": (saddle, (-1.5, 1e-3), -0.25, (0.05, 0.05)),
    "plateau": (plateau, (-3.0, 1.5), 0.0, (0.1, 0.1)),
}
ADAPTIVE = {"AdaGrad", "RMSProp", "Adam"}


def make(name, learning_rates):
    """The optimizer of that name at its kind's learning rate."""
    return getattr(kd.optimizers, name)(learning_rates[name in ADAPTIVE])


def descend(name, surface):
    """Runs one rule over one surface: its points, its losses, and its rates α/√(G + ε)."""
    function, start, _, learning_rates = SURFACES[surface]
    optimizer = make(name, learning_rates)
    weights = keras.Variable(np.array(start, "float32"))
    points, rates = [np.array(start)], []
    for _ in range(STEPS):
        _, gradient = function(*points[-1])
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [weights])
        points.append(keras.ops.convert_to_numpy(weights).astype("float64"))
        if name in ("AdaGrad", "RMSProp"):
            squares = keras.ops.convert_to_numpy(optimizer.variables[2])
            rates.append(learning_rates[1] / np.sqrt(squares + optimizer.epsilon))
    losses = [function(*point)[0] for point in points]
    return np.array(points), np.array(losses), np.array(rates)


def learn_digits(name):
    """Trains a small network on handwritten digits: the loss of each batch, the test accuracy."""
    digits = load_digits()
    x, y = (digits.data / 16).astype("float32"), digits.target
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1500], order[1500:]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, "relu", kernel_initializer=kd.initializers.He(seed=1)),
            keras.layers.Dense(10, kernel_initializer=kd.initializers.Xavier(seed=2)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(make(name, (0.05, 0.005)), loss, metrics=["accuracy"])
    losses = []
    for _ in range(10):
        for start in range(0, len(train), 50):
            batch = train[start : start + 50]
            losses.append(float(model.train_on_batch(x[batch], y[batch])[0]))
    return np.array(losses), model.evaluate(x[test], y[test], verbose=0)[1]


def first_step(condition):
    """The first step at which the condition holds; one past the last where it never does."""
    return int(np.argmax(condition)) if np.any(condition) else STEPS + 1


def say(held, sentence):
    """Prints one of the notes' intuitions and whether it held."""
    print(f"  [{'held' if held else 'did not hold'}] {sentence}")


def check_intuitions(runs, digits):
    """Checks each of the notes' intuitions against the runs."""
    print("\nThe notes' intuitions:")
    distance = {name: np.linalg.norm(runs["plateau", name][0][-1]) for name in RULES}
    say(
        distance["GradientDescent"] > 10 * max(distance["RMSProp"], distance["Adam"]),
        "Plain descent is slow on a plateau: after 200 steps it is "
        f"{distance['GradientDescent']:.2f} from the minimum, RMSProp {distance['RMSProp']:.2f}, "
        f"Adam {distance['Adam']:.2f}.",
    )
    arrival = {name: first_step(runs["narrow valley", name][1] < 1e-2) for name in RULES}
    say(
        arrival["Momentum"] < arrival["GradientDescent"],
        "Momentum is faster in a narrow valley: it brings the loss below 0.01 in "
        f"{arrival['Momentum']} steps, plain descent in {arrival['GradientDescent']}.",
    )
    beyond = {
        name: runs["narrow valley", name][0][:, 0].max()
        for name in ("Momentum", "NesterovMomentum")
    }
    say(
        beyond["NesterovMomentum"] < beyond["Momentum"],
        "Nesterov's look ahead corrects the swing: along the valley momentum shoots "
        f"{beyond['Momentum']:.2f} past the minimum, Nesterov {beyond['NesterovMomentum']:.2f}.",
    )
    leaving = {name: first_step(np.abs(runs["saddle", name][0][:, 1]) > 0.5) for name in RULES}
    say(
        max(leaving["Momentum"], leaving["Adam"]) < leaving["GradientDescent"],
        f"A saddle holds plain descent for {leaving['GradientDescent']} steps, momentum for "
        f"{leaving['Momentum']}, Adam for {leaving['Adam']}.",
    )
    rates = {name: runs["narrow valley", name][2][:, 1] for name in ("AdaGrad", "RMSProp")}
    say(
        bool(np.all(np.diff(rates["AdaGrad"]) <= 0)),
        "AdaGrad's step size shrinks for good: across the valley from "
        f"{rates['AdaGrad'][0]:.1e} to {rates['AdaGrad'][-1]:.1e}, never rising.",
    )
    say(
        bool(np.any(np.diff(rates["RMSProp"]) > 0)) and rates["RMSProp"][-1] > rates["RMSProp"][0],
        "RMSProp's does not: it grows again as the slope flattens, from "
        f"{rates['RMSProp'][0]:.1e} to {rates['RMSProp'][-1]:.1e}.",
    )
    final = {name: digits[name][0][-30:].mean() for name in RULES}
    say(
        final["Adam"] < min(final["GradientDescent"], final["AdaGrad"]),
        "Adam joins momentum and RMSProp: on the digits its loss over the last epoch is "
        f"{final['Adam']:.3f}, plain descent's {final['GradientDescent']:.3f}, AdaGrad's "
        f"{final['AdaGrad']:.3f}.",
    )


def draw_paths(runs, colours):
    """One panel for each surface: its contours and the six paths."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 5.4))
    windows = {
        "narrow valley": (-4.5, 2.5, -1.3, 1.3),
        "saddle": (-1.8, 0.9, -0.4, 1.6),
        "plateau": (-3.6, 1.6, -1.4, 2.2),
    }
    for panel, (title, (function, start, _, _)) in zip(panels, SURFACES.items(), strict=True):
        left, right, low, high = windows[title]
        x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
        panel.contour(x, y, function(x, y)[0], 25, colors="0.8", linewidths=0.7)
        for name in RULES:
            points = runs[title, name][0]
            panel.plot(*points.T, color=colours[name], linewidth=1.3, alpha=0.85)
            panel.plot(*points[-1], "o", color=colours[name], markersize=6)
        panel.plot(*start, "k^", markersize=8)
        panel.set(xlim=(left, right), ylim=(low, high), title=title)
    finish(figure, colours, "paths.png", "Start: triangle. After 200 steps: dots.")


def draw_losses(runs, digits, colours):
    """Four panels: how far the loss still is from its lowest value, against the step."""
    figure, panels = plt.subplots(1, 4, figsize=(17, 5))
    for panel, (title, (_, _, lowest, _)) in zip(panels, SURFACES.items(), strict=False):
        for name in RULES:
            panel.semilogy(np.maximum(runs[title, name][1] - lowest, 1e-8), color=colours[name])
        panel.set(title=title, xlabel="step")
    panels[0].set_ylabel("loss above the minimum")
    for name in RULES:
        smooth = np.convolve(digits[name][0], np.ones(15) / 15, "valid")
        panels[3].semilogy(np.arange(len(smooth)) + 15, smooth, color=colours[name])
    panels[3].set(title="digits network", xlabel="step", ylabel="training loss, mean of 15 batches")
    finish(figure, colours, "loss.png", "")


def finish(figure, colours, file_name, note):
    """Puts one legend for all panels below them and saves the picture."""
    handles = [plt.Line2D([], [], color=colours[name], label=name, linewidth=3) for name in RULES]
    figure.legend(handles=handles, loc="lower center", ncols=len(RULES), frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 0.95))
    figure.text(0.5, 0.96, note, ha="center")
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / file_name, dpi=90)
    print(f"  {FOLDER / file_name}")


def main():
    """Runs the race."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    runs, digits = {}, {}
    for name in RULES:
        for surface in SURFACES:
            runs[surface, name] = descend(name, surface)
        digits[name] = learn_digits(name)
        ends = ", ".join(
            f"{surface} {runs[surface, name][1][-1] - SURFACES[surface][2]:.1e}"
            for surface in SURFACES
        )
        print(f"{name:>17}: loss above the minimum: {ends}; digits {digits[name][1]:.1%} right")
    check_intuitions(runs, digits)
    print("\nPictures:")
    colours = dict(zip(RULES, plt.get_cmap("tab10").colors, strict=False))
    draw_paths(runs, colours)
    draw_losses(runs, digits, colours)


if __name__ == "__main__":
    main()
