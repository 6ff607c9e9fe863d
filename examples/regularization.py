"""The notes on regularization, each sentence with its figure: 150 digits, some with wrong labels.

KERAS_BACKEND=tensorflow python examples/regularization.py     (or jax, or torch)

Each seed is another split of the digits and another start; all kinds of regularization get the same
ones, so they are compared seed by seed. A difference within two standard errors of 0 is called "not
shown". For the sentence on outliers two of the networks learn once more with all labels right.
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
from _spread import show_progress, verdict, within
from keras import ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import keras_dlnotes as kd

TRAINING, VALIDATION = 150, 300  # the rest of the 1797 is for the test
SEEDS = 6
EPOCHS = 120
BATCH_SIZE = 50
# An epoch at a time: the same steps, sooner. Keras cannot do it on torch.
STEPS_AT_ONCE = 1 if keras.backend.backend() == "torch" else TRAINING // BATCH_SIZE
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
    penalty: float

    @property
    def near_zero(self):
        """Share of kernel weights below `NEAR_ZERO`."""
        return float(np.mean(np.abs(self.weights) < NEAR_ZERO))

    @property
    def size(self):
        """Root mean square of the kernel weights."""
        return float(np.sqrt(np.mean(self.weights**2)))


def load_data(seed, outliers=OUTLIERS):
    """Training, validation and test digits, other ones for each seed; outliers in training."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    x = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    y = y[order].astype("int32")
    wrong = np.flatnonzero(rng.random(TRAINING) < outliers)
    y[wrong] = rng.integers(0, 10, len(wrong))
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


def compiled(arm):
    """A network with one kind of regularization."""
    regularizers = {"L2": kd.regularizers.L2(0.01), "L1": kd.regularizers.L1(7e-4)}
    model = network(regularizers.get(arm), arm == "dropout")
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS_AT_ONCE,
        jit_compile=keras.backend.backend() == "jax",
    )
    model.optimizer.build(model.trainable_variables)
    return model


def start_anew(model, arm, seed):
    """Takes the numbers of a new network; what is compiled already stays, as it took long."""
    keras.utils.set_random_seed(seed)
    new = compiled(arm)
    model.set_weights(new.get_weights())
    for old, first in zip(model.optimizer.variables, new.optimizer.variables, strict=True):
        old.assign(first)


def train(model, arm, data, seed, epochs):
    """Trains the network of one kind of regularization from the start of this seed."""
    start_anew(model, arm, seed)
    (x, y), validation, test = data
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
        sum(kd.regularizers.penalties_by_layer(model).values()),
    )


def correlation_of(hidden):
    """Mean magnitude of the correlation between two hidden units that are ever active."""
    active = hidden[:, hidden.std(0) > 0]
    matrix = np.corrcoef(active.T)
    return float(np.mean(np.abs(matrix[np.triu_indices(len(matrix), 1)])))


def of(runs, name):
    """A number of each run."""
    return np.array([getattr(run, name) for run in runs])


def sentences(runs, clean):
    """Each of the notes' sentences with what was measured.

    Args:
        runs: of each kind of regularization the `Run` of each seed.
        clean: the same for "none" and "L2" without outliers.
    """
    none, l2, l1 = runs["none"], runs["L2"], runs["L1"]
    gaps = {arm: of(r, "test_loss") - of(r, "training_loss") for arm, r in runs.items()}
    yield (
        "Regularization prevents overfitting. Without it the test loss is "
        f"{within(gaps['none'], '.2f')} above the training loss, with "
        + ", ".join(
            f"{arm} {within(gap, '.2f')} ({verdict(gaps['none'] - gap)})"
            for arm, gap in gaps.items()
            if arm != "none"
        )
        + "."
    )
    penalty, test_loss = of(l2, "penalty"), of(l2, "test_loss")
    yield (
        f"It is only applied during training. The L2 network's penalty is {within(penalty, '.3f')},"
        f" and `evaluate` shows the bare test loss, {within(test_loss, '.3f')}; with "
        f"keras.regularizers.L2 it would show {within(test_loss + penalty, '.3f')}."
    )
    yield (
        f"L2 penalizes large weights: {verdict(of(none, 'size') - of(l2, 'size'))}. The root mean "
        f"square of the weights is {within(of(l2, 'size'), '.3f')} in place of "
        f"{within(of(none, 'size'), '.3f')}."
    )
    # By how many points of accuracy the outliers make a network worse, seed by seed.
    losses = {arm: 100 * (of(clean[arm], "accuracy") - of(runs[arm], "accuracy")) for arm in clean}
    yield (
        f"It makes the model more robust to outliers: {verdict(losses['none'] - losses['L2'])}. "
        f"Where {OUTLIERS:.0%} of the labels are drawn anew the test accuracy falls by "
        f"{within(losses['L2'], '.1f')} points with L2 and by {within(losses['none'], '.1f')} "
        f"without; with the right labels it is {within(of(clean['L2'], 'accuracy'), '.1%')} and "
        f"{within(of(clean['none'], 'accuracy'), '.1%')}."
    )
    sparse = [of(r, "near_zero") for r in (l1, none, l2)]
    yield (
        f"L1 encourages sparsity: {verdict(sparse[0] - sparse[1])}. Within {NEAR_ZERO} of 0 are "
        f"{within(sparse[0], '.1%')} of the weights, without it {within(sparse[1], '.1%')}, with "
        f"L2 {within(sparse[2], '.1%')}. Easier to interpret: "
        f"{verdict(of(none, 'pixels') - of(l1, 'pixels'))}. The first layer looks at "
        f"{within(of(l1, 'pixels'), '.0f')} of 64 pixels, without L1 at "
        f"{within(of(none, 'pixels'), '.0f')}."
    )
    together, apart = of(none, "correlation"), of(runs["dropout"], "correlation")
    yield (
        f"With dropout hidden units are less co-adapted: {verdict(together - apart)}, as far as "
        f"their correlation tells: {within(apart, '.3f')} on average, without it "
        f"{within(together, '.3f')}."
    )
    plain, augmented = of(none, "accuracy"), of(runs["augmentation"], "accuracy")
    yield (
        f"Augmentation increases the training set, {TRAINING} to "
        f"{runs['augmentation'][0].example_count} examples. With as many steps it helps: "
        f"{verdict(augmented - plain)}, the accuracy is {within(augmented, '.1%')}, without it "
        f"{within(plain, '.1%')}."
    )
    stopped = runs["early stopping"]
    epochs = [len(run.validation_losses) for run in stopped]
    rise = [100 * (r.validation_losses[-1] / np.min(r.validation_losses) - 1) for r in none]
    yield (
        "Early stopping ends training before it overfits: "
        f"{verdict(of(none, 'test_loss') - of(stopped, 'test_loss'))}. It stopped after "
        f"{within(epochs, '.0f')} of {len(none[0].validation_losses)} epochs, at a test loss of "
        f"{within(of(stopped, 'test_loss'), '.2f')}; without it the test loss is "
        f"{within(of(none, 'test_loss'), '.2f')}, and the validation loss ended "
        f"{within(rise, '.0f')} % above its lowest."
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
    curves.set(
        xlabel="epoch", ylabel="validation loss", yscale="log", title="While training (first seed)"
    )
    losses.set_yticks(range(len(runs)), list(runs))
    losses.invert_yaxis()
    losses.set(xlabel="loss", xscale="log", title="At the end, each seed: training (o), test (◇)")
    sizes.set(
        xlabel="magnitude of a weight", xscale="log", title="Share of weights below it (first seed)"
    )
    sizes.set_xlim(1e-6, 2)
    for axis in (curves, losses, sizes):
        axis.title.set_fontsize(10)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(runs), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(seeds=SEEDS, epochs=EPOCHS, picture=Path("logs/regularization.png")):
    """Trains all networks, prints the table and the sentences, and draws the picture."""
    start = time.perf_counter()
    runs, clean = {arm: [] for arm in COLORS}, {"none": [], "L2": []}
    models = {arm: compiled(arm) for arm in runs}
    total, done = seeds * (len(runs) + len(clean)), 0
    for seed in range(seeds):
        for arms, outliers in ((runs, OUTLIERS), (clean, 0.0)):
            data = load_data(seed, outliers)
            for arm, results in arms.items():
                results.append(train(models[arm], arm, data, seed, epochs))
                done += 1
                show_progress(done, total, start, lines=10)
    print(
        f"\n{TRAINING} digits to train on, {OUTLIERS:.0%} of them with labels drawn anew, "
        f"{len(data[2][1])} to test; means and standard errors of {seeds} seeds "
        f"on {keras.backend.backend()}, losses without any penalty.\n"
    )
    print("                  training loss        test loss        accuracy  weights near 0")
    for arm, results in runs.items():
        print(
            f"{arm:15s} {within(of(results, 'training_loss'), '.3f'):>15s} "
            f"{within(of(results, 'test_loss'), '.3f'):>16s} "
            f"{within(of(results, 'accuracy'), '.1%'):>15s} "
            f"{within(of(results, 'near_zero'), '.1%'):>15s}"
        )
    print()
    for sentence in sentences(runs, clean):
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
