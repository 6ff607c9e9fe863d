"""A race of the six first-order optimizers: a narrow valley, a saddle, a plateau and a network.

    python examples/optimizer_race.py

Each of the notes' intuitions is checked in a printed sentence, and two pictures go to
`logs/optimizer_race/`: the paths over the three surfaces, and the loss against the step. On the
surfaces nothing is random; the network is trained from several starts, and what differs by no more
than two standard errors is called "not shown".
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
from _spread import verdict, within
from keras import ops
from sklearn.datasets import load_digits

import keras_dlnotes as kd

FOLDER = Path("logs/optimizer_race")
# The rules whose step is proportional to the gradient, and those that divide it by its size.
KINDS = {
    "Steps proportional to the gradient: slow where it is flat; momentum swings past the minimum": [
        "GradientDescent",
        "Momentum",
        "NesterovMomentum",
    ],
    "Steps divided by the gradient's size: fast where it is flat; AdaGrad's only become smaller": [
        "AdaGrad",
        "RMSProp",
        "Adam",
    ],
}
RULES = [name for names in KINDS.values() for name in names]
COLORS = dict(zip(RULES, plt.get_cmap("tab10").colors, strict=False))
# Of each kind: a wide line first, so that a path is seen under another that takes the same way.
LINES = [("-", 4.5), ("-", 2.0), (":", 2.0)]
# Where the legends hide no path.
LEGENDS = {"narrow valley": "upper right", "saddle": "lower right", "plateau": "upper right"}
STEPS = 200
# The digits: networks, examples to train on, passes over them, steps between two looks.
SEEDS, TRAINING, EPOCHS, LOOK_EVERY = 10, 1500, 10, 10


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


def make(name, learning_rates):
    """The optimizer of that name at its kind's learning rate."""
    kind = [name in names for names in KINDS.values()].index(True)
    return getattr(kd.optimizers, name)(learning_rates[kind])


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
    """Trains small networks on handwritten digits, each with weights and a split of its own.

    They train side by side as one stacked network: its weights have the seeds as their first axis,
    and its loss is a sum over seeds, so each network's gradient is its own. The six rules treat
    each weight by itself.

    Returns:
        The training losses after each tenth step, [looks, seeds], and the test accuracies, [seeds].
    """
    digits = load_digits()
    orders = [np.random.default_rng(seed).permutation(len(digits.target)) for seed in range(SEEDS)]
    x = np.stack([digits.data[order] / 16 for order in orders], axis=1).astype("float32")
    y = np.stack([digits.target[order] for order in orders], axis=1)

    def cross_entropies(y, logits):
        return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)

    def stacked(units, activation, initializer):
        return keras.layers.EinsumDense(
            "nsf,sfu->nsu", (SEEDS, units), activation, "su", kernel_initializer=initializer
        )

    model = keras.Sequential(
        [
            keras.Input((SEEDS, 64)),
            stacked(64, "relu", kd.initializers.He(seed=1)),
            stacked(10, None, kd.initializers.Xavier(seed=2)),
        ]
    )
    model.compile(
        make(name, (0.05, 0.005)),
        lambda y, logits: ops.sum(ops.mean(cross_entropies(y, logits), axis=0)),
        jit_compile=keras.backend.backend() == "jax",
    )
    losses = []
    for step in range(EPOCHS * TRAINING // 50):
        batch = slice(50 * step % TRAINING, 50 * step % TRAINING + 50)
        model.train_on_batch(x[batch], y[batch])
        if (step + 1) % LOOK_EVERY == 0:
            logits = model.predict_on_batch(x[:TRAINING])
            each = ops.convert_to_numpy(cross_entropies(y[:TRAINING], logits))
            losses.append(each.mean(axis=0))
    guesses = np.argmax(model.predict_on_batch(x[TRAINING:]), axis=-1)
    return np.array(losses), np.mean(guesses == y[TRAINING:], axis=0)


def first_step(condition):
    """The first step at which the condition holds; one past the last where it never does."""
    return int(np.argmax(condition)) if np.any(condition) else STEPS + 1


def outcomes(runs):
    """What each surface is there for: steps to a low loss, steps to get away, distance left."""
    return {
        "narrow valley": {r: first_step(runs["narrow valley", r][1] < 1e-2) for r in RULES},
        "saddle": {r: first_step(np.abs(runs["saddle", r][0][:, 1]) > 0.5) for r in RULES},
        "plateau": {r: np.linalg.norm(runs["plateau", r][0][-1]) for r in RULES},
    }


def held(condition):
    """In words."""
    return "held" if condition else "did not hold"


def say(outcome, sentence):
    """Prints one of the notes' intuitions and whether it held."""
    print(f"  [{outcome}] {sentence}")


def check_intuitions(runs, digits):
    """Checks each of the notes' intuitions against the runs."""
    print("\nThe notes' intuitions:")
    arrival, leaving, distance = outcomes(runs).values()
    say(
        held(distance["GradientDescent"] > 10 * max(distance["RMSProp"], distance["Adam"])),
        "Plain descent is slow on a plateau: after 200 steps it is "
        f"{distance['GradientDescent']:.2f} from the minimum, RMSProp {distance['RMSProp']:.2f}, "
        f"Adam {distance['Adam']:.2f}.",
    )
    say(
        held(arrival["Momentum"] < arrival["GradientDescent"]),
        "Momentum is faster in a narrow valley: it brings the loss below 0.01 in "
        f"{arrival['Momentum']} steps, plain descent in {arrival['GradientDescent']}.",
    )
    beyond = {
        name: runs["narrow valley", name][0][:, 0].max()
        for name in ("Momentum", "NesterovMomentum")
    }
    say(
        held(beyond["NesterovMomentum"] < beyond["Momentum"]),
        "Nesterov's look ahead corrects the swing: along the valley momentum shoots "
        f"{beyond['Momentum']:.2f} past the minimum, Nesterov {beyond['NesterovMomentum']:.2f}.",
    )
    say(
        held(max(leaving["Momentum"], leaving["Adam"]) < leaving["GradientDescent"]),
        f"A saddle holds plain descent for {leaving['GradientDescent']} steps, momentum for "
        f"{leaving['Momentum']}, Adam for {leaving['Adam']}.",
    )
    rates = {name: runs["narrow valley", name][2][:, 1] for name in ("AdaGrad", "RMSProp")}
    say(
        held(np.all(np.diff(rates["AdaGrad"]) <= 0)),
        "AdaGrad's step size shrinks for good: across the valley from "
        f"{rates['AdaGrad'][0]:.1e} to {rates['AdaGrad'][-1]:.1e}, never rising.",
    )
    say(
        held(np.any(np.diff(rates["RMSProp"]) > 0) and rates["RMSProp"][-1] > rates["RMSProp"][0]),
        "RMSProp's does not: it grows again as the slope flattens, from "
        f"{rates['RMSProp'][0]:.1e} to {rates['RMSProp'][-1]:.1e}.",
    )
    final = {name: digits[name][0][-1] for name in RULES}
    others = np.minimum(final["GradientDescent"], final["AdaGrad"])
    say(
        verdict(others - final["Adam"]),
        "Adam joins momentum and RMSProp: on the digits it ends at a training loss of "
        f"{within(final['Adam'], '.4f')}, plain descent at "
        f"{within(final['GradientDescent'], '.4f')}, AdaGrad at {within(final['AdaGrad'], '.4f')} "
        f"(standard errors over {SEEDS} networks; judged by the better of the two, network by "
        "network).",
    )


def draw_paths(runs):
    """A row for each kind of rule, a panel for each surface: its contours and three paths."""
    figure = plt.figure(figsize=(14, 9), layout="constrained")
    windows = {
        "narrow valley": (-4.5, 2.5, -1.3, 1.3),
        "saddle": (-1.8, 0.9, -0.9, 1.6),
        "plateau": (-3.6, 1.6, -1.4, 2.2),
    }
    seen = {
        "narrow valley": "steps until the loss is below 0.01",
        "saddle": "steps until it is left",
        "plateau": "distance left after 200 steps",
    }
    measured = outcomes(runs)
    for row, (kind, names) in zip(figure.subfigures(2, 1), KINDS.items(), strict=True):
        row.suptitle(kind, fontweight="bold")
        panels = row.subplots(1, 3)
        for panel, (title, (function, start, _, _)) in zip(panels, SURFACES.items(), strict=True):
            left, right, low, high = windows[title]
            x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 200))
            panel.contour(x, y, function(x, y)[0], 25, colors="0.85", linewidths=0.7)
            for name, (style, width) in zip(names, LINES, strict=True):
                points, color = runs[title, name][0], COLORS[name]
                number = measured[title][name]
                text = f"{number:.2f}" if title == "plateau" else f"{number}"
                label = f"{name}: {'never' if number > STEPS else text}"
                panel.plot(*points.T, style, color=color, linewidth=width, label=label)
                panel.plot(*points[-1], "o", color=color, markersize=4 + 1.5 * width)
            panel.plot(*start, "k^", markersize=8)
            panel.set(xlim=(left, right), ylim=(low, high), xlabel="x", ylabel="y", title=title)
            panel.legend(title=seen[title], fontsize=8, title_fontsize=8, loc=LEGENDS[title])
    figure.suptitle(f"{STEPS} steps, from the triangle to the dot of the path's colour")
    save(figure, "paths.png")


def draw_losses(runs, digits):
    """Four panels: how far the loss still is from its lowest value, against the step."""
    figure, panels = plt.subplots(1, 4, figsize=(17, 5), layout="constrained")
    for panel, (title, (_, _, lowest, _)) in zip(panels, SURFACES.items(), strict=False):
        for name in RULES:
            panel.semilogy(np.maximum(runs[title, name][1] - lowest, 1e-8), color=COLORS[name])
        panel.set(title=title, xlabel="step")
    panels[0].set_ylabel("loss above the minimum")
    for name in RULES:
        losses = digits[name][0]
        steps = LOOK_EVERY * np.arange(1, len(losses) + 1)
        panels[3].semilogy(steps, losses.mean(axis=1), color=COLORS[name])
        panels[3].fill_between(
            steps, losses.min(axis=1), losses.max(axis=1), color=COLORS[name], alpha=0.15, lw=0
        )
    panels[3].set(
        title=f"digits: mean and range of {SEEDS} networks", xlabel="step", ylabel="training loss"
    )
    handles = [plt.Line2D([], [], color=COLORS[name], label=name, linewidth=3) for name in RULES]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(RULES), frameon=False)
    save(figure, "loss.png")


def save(figure, file_name):
    """Saves a picture and says where."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / file_name, dpi=90)
    plt.close(figure)
    print(f"  {FOLDER / file_name}")


def main():
    """Runs the race."""
    runs, digits = {}, {}
    print(f"Digits: means and standard errors of {SEEDS} networks.")
    for name in RULES:
        for surface in SURFACES:
            runs[surface, name] = descend(name, surface)
        digits[name] = learn_digits(name)
        ends = ", ".join(
            f"{surface} {runs[surface, name][1][-1] - SURFACES[surface][2]:.1e}"
            for surface in SURFACES
        )
        right = within(100 * digits[name][1], ".1f")
        print(f"{name:>17}: loss above the minimum: {ends}; digits {right} % right", flush=True)
    check_intuitions(runs, digits)
    print("\nPictures:")
    draw_paths(runs)
    draw_losses(runs, digits)


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()
