"""The notes on regularization, each sentence with its figure: 150 digits, some with wrong labels.

KERAS_BACKEND=tensorflow python examples/regularization.py     (or jax, or torch)
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_dlnotes as kd

TRAINING, VALIDATION = 150, 300  # the rest of the 1797 is for the test
SEEDS = 3
EPOCHS = 120
BATCH_SIZE = 50
LOOK_EVERY = 5  # epochs, at the validation loss, where nothing depends on it
COPIES = 8  # of each digit, the digit itself among them
OUTLIERS = 0.15  # share of the training labels that are drawn anew
NEAR_ZERO = 1e-3
COLORS = {
    "none": "black",
    "L2": "tab:blue",
    "L1": "tab:orange",
    "dropout": "tab:green",
    "augmentation": "tab:red",
    "early stopping": "tab:purple",
}


@dataclass
class Run:
    """What is known of one trained network."""

    validation_losses: list
    training_loss: float
    test_loss: float
    accuracy: float
    weights: np.ndarray
    pixels: int
    correlation: float
    example_count: int
    model: keras.Model

    @property
    def near_zero(self):
        """Share of kernel weights below `NEAR_ZERO`."""
        return float(np.mean(np.abs(self.weights) < NEAR_ZERO))


def load_data(seed):
    """Training, validation and test digits, other ones for each seed; outliers in training."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    x = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    y = y[order].astype("int32")
    outliers = np.flatnonzero(rng.random(TRAINING) < OUTLIERS)
    y[outliers] = rng.integers(0, 10, len(outliers))
    ends = [TRAINING, TRAINING + VALIDATION]
    return list(zip(np.split(x, ends), np.split(y, ends), strict=True))


def expand(x, y, copies, seed):
    """The digits and copies of them, turned by up to 8° and moved by up to half a pixel."""
    transforms = [
        kd.augmentation.rotate(8 / 360, fill_mode="constant"),
        keras.layers.RandomTranslation(1 / 16, 1 / 16, fill_mode="constant"),
    ]
    return kd.augmentation.expand(
        (x, y), transforms, copies=copies - 1, batch_size=BATCH_SIZE, seed=seed
    )


def network(regularizer, dropout):
    """64-128-64-10 with ReLU; the regularizer on all kernels, or dropout of hidden units."""
    layers = []
    for units in (128, 64):
        dense = keras.layers.Dense(
            units,
            "relu",
            kernel_initializer=kd.initializers.He(),
            kernel_regularizer=regularizer,
        )
        layers.append(kd.layers.DropoutPenalty(dense, 0.5, 1e-3) if dropout else dense)
    output = keras.layers.Dense(10, kernel_regularizer=regularizer)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), *layers, output])


def train(arm, data, seed, epochs):
    """Trains one network with one kind of regularization."""
    keras.utils.set_random_seed(seed)
    (x, y), validation, test = data
    regularizers = {"L2": kd.regularizers.L2(0.01), "L1": kd.regularizers.L1(7e-4)}
    model = network(regularizers.get(arm), arm == "dropout")
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=TRAINING // BATCH_SIZE,  # an epoch at a time: the same steps, sooner
        jit_compile=keras.backend.backend() == "jax",
    )
    callbacks = []
    if arm == "early stopping":
        criterion = kd.stopping.UpStrips(1, strip=5)
        callbacks = [kd.callbacks.EarlyStopping(criterion=criterion, restore_best_weights=True)]
    # As many steps for all: with eight times the examples an eighth of the epochs.
    rounds = COPIES if arm == "augmentation" else 1
    look_every = 1 if callbacks or rounds > 1 else LOOK_EVERY
    if arm == "augmentation":
        examples = {"x": expand(x, y, COPIES, seed)}
    else:
        examples = {"x": x, "y": y, "batch_size": BATCH_SIZE}
    history = model.fit(
        **examples,
        epochs=epochs // rounds,
        verbose=0,
        validation_data=validation,
        validation_freq=look_every,
        validation_batch_size=VALIDATION,
        callbacks=callbacks,
    ).history
    kernels = [v for v in model.trainable_variables if v.path.endswith("kernel")]
    kernels = [ops.convert_to_numpy(kernel) for kernel in kernels]
    hidden = ops.convert_to_numpy(model.layers[1](model.layers[0](test[0])))
    test_loss, accuracy = model.evaluate(*test, batch_size=2000, verbose=0)
    return Run(
        np.repeat(history["val_loss"], rounds * look_every),  # one for each pass
        model.evaluate(x, y, batch_size=2000, verbose=0)[0],
        test_loss,
        accuracy,
        np.concatenate([kernel.ravel() for kernel in kernels]),
        int(np.sum(np.max(np.abs(kernels[0]), axis=1) > 10 * NEAR_ZERO)),
        correlation_of(hidden),
        rounds * len(x),
        model,
    )


def correlation_of(hidden):
    """Mean magnitude of the correlation between two hidden units that are ever active."""
    active = hidden[:, hidden.std(0) > 0]
    matrix = np.corrcoef(active.T)
    return float(np.mean(np.abs(matrix[np.triu_indices(len(matrix), 1)])))


def mean(runs, name):
    """A number's mean over the seeds."""
    return float(np.mean([getattr(run, name) for run in runs]))


def largest(run):
    """The largest magnitude of a weight."""
    return float(np.max(np.abs(run.weights)))


def sentences(runs):
    """Each of the notes' sentences with what was measured."""
    none, l2, l1 = runs["none"], runs["L2"], runs["L1"]
    gaps = {arm: mean(r, "test_loss") - mean(r, "training_loss") for arm, r in runs.items()}
    smaller = [arm for arm, gap in gaps.items() if gap < gaps["none"]]
    yield (
        "Regularization prevents overfitting: without it the test loss is "
        f"{gaps['none']:.2f} above the training loss; {len(smaller)} of the 5 others bring that "
        "down, to " + ", ".join(f"{gaps[arm]:.2f} ({arm})" for arm in smaller) + "."
    )
    model = l2[0].model
    penalty = sum(kd.regularizers.penalties_by_layer(model).values())
    yield (
        "It is only applied during training: the L2 network's penalty is "
        f"{penalty:.3f}, and `evaluate` shows the bare test loss, {l2[0].test_loss:.3f}; "
        f"with keras.regularizers.L2 it would show {l2[0].test_loss + penalty:.3f}."
    )
    yield (
        "L2 penalizes large weights: root mean square "
        f"{np.sqrt(np.mean(l2[0].weights ** 2)):.3f} in place of "
        f"{np.sqrt(np.mean(none[0].weights ** 2)):.3f}, the largest {largest(l2[0]):.2f} in "
        f"place of {largest(none[0]):.2f}."
    )
    verdict = "more" if mean(l2, "accuracy") > mean(none, "accuracy") else "not more"
    yield (
        f"It makes the model {verdict} robust to outliers: with {OUTLIERS:.0%} of the labels "
        f"redrawn the test accuracy is {mean(l2, 'accuracy'):.1%} with L2 and "
        f"{mean(none, 'accuracy'):.1%} without."
    )
    sparse = [f"{mean(r, 'near_zero'):.1%}" for r in (l1, none, l2)]
    yield (
        f"L1 encourages sparsity: {sparse[0]} of the weights are within {NEAR_ZERO} of 0, "
        f"{sparse[1]} without and {sparse[2]} with L2. Easier to interpret: the first layer looks "
        f"at {mean(l1, 'pixels'):.0f} of 64 pixels, without L1 at {mean(none, 'pixels'):.0f}."
    )
    dropout = mean(runs["dropout"], "correlation")
    verdict = "less" if dropout < mean(none, "correlation") else "no less"
    yield (
        f"With dropout hidden units are {verdict} co-adapted, as far as their correlation tells: "
        f"{dropout:.3f} on average, {mean(none, 'correlation'):.3f} without."
    )
    yield (
        f"Augmentation increases the training set, {TRAINING} to "
        f"{runs['augmentation'][0].example_count} examples; with as many steps "
        f"the accuracy is {mean(runs['augmentation'], 'accuracy'):.1%}, without it "
        f"{mean(none, 'accuracy'):.1%}."
    )
    stopped = runs["early stopping"]
    epochs = np.mean([len(run.validation_losses) for run in stopped])
    rise = np.mean([run.validation_losses[-1] / np.min(run.validation_losses) for run in none])
    yield (
        f"Early stopping ended training after {epochs:.0f} of {len(none[0].validation_losses)} "
        f"epochs, at a test loss of {mean(stopped, 'test_loss'):.2f}; without it the validation "
        f"loss ended {100 * (rise - 1):.0f} % above its lowest."
    )


def draw(runs, path):
    """Validation loss over the epochs, losses at the end, sizes of the weights."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    curves, losses, sizes = figure.subplots(1, 3)
    for place, (arm, results) in enumerate(runs.items()):
        color = COLORS[arm]
        over_time = results[0].validation_losses
        # Drawn at the pass that ended with the measurement; before it the loss is not known.
        measured = np.append(np.diff(over_time) != 0, True)
        curves.plot(np.flatnonzero(measured) + 1, over_time[measured], color=color, label=arm)
        for name, marker in (("training_loss", "o"), ("test_loss", "D")):
            numbers = [getattr(run, name) for run in results]
            losses.plot(numbers, [place] * len(numbers), marker, color=color, alpha=0.7, ms=5)
        weights = np.sort(np.abs(results[0].weights))
        share = np.linspace(0, 1, len(weights))
        sizes.plot(np.maximum(weights, 1e-7), share, color=color)
    curves.set(xlabel="epoch", ylabel="validation loss", yscale="log", title="While training")
    losses.set_yticks(range(len(runs)), list(runs))
    losses.invert_yaxis()
    losses.set(xlabel="loss", xscale="log", title="At the end: training (o) and test (◇)")
    sizes.set(xlabel="magnitude", xscale="log", title="Share of weights below a magnitude")
    sizes.set_xlim(1e-6, 2)
    for axis in (curves, losses, sizes):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(runs), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(seeds=SEEDS, epochs=EPOCHS, picture=Path("logs/regularization.png")):
    """Trains all networks, prints the table and the sentences, and draws the picture."""
    start = time.perf_counter()
    runs = {arm: [] for arm in COLORS}
    for seed in range(seeds):
        data = load_data(seed)
        for arm, results in runs.items():
            results.append(train(arm, data, seed, epochs))
    print(
        f"{TRAINING} digits to train on, {OUTLIERS:.0%} of them with labels drawn anew, "
        f"{len(data[2][1])} to test; means of {seeds} networks a "
        f"row on {keras.backend.backend()}, losses without any penalty.\n"
    )
    print("                training loss  test loss  accuracy  weights near 0")
    for arm, results in runs.items():
        print(
            f"{arm:15s} {mean(results, 'training_loss'):13.4f} {mean(results, 'test_loss'):10.3f} "
            f"{mean(results, 'accuracy'):9.1%} {mean(results, 'near_zero'):15.1%}"
        )
    print()
    for sentence in sentences(runs):
        print(f"- {sentence}")
    draw(runs, Path(picture))
    print(f"\nPicture: {picture}   ({time.perf_counter() - start:.0f} s in all)")
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over 150 digits")
    parser.add_argument("--picture", type=Path, default=Path("logs/regularization.png"))
    options = parser.parse_args()
    main(epochs=options.epochs, picture=options.picture)
