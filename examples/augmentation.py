"""Data augmentation on handwritten digits: more pictures out of few, and what that is worth.

    python examples/augmentation.py

The notes say: "Increase the size of the training set by applying transformations to the data, such
as flipping, rotating, cropping, etc." A small convolutional network learns from 100 digits, with
and without turned and shifted copies of them, for the same number of steps; then with flipped ones,
which for digits is a mistake. Each sentence of the notes is printed with its measured figure, and
originals beside their copies go to `logs/augmentation/copies.png`. Each seed is another hundred
digits and another start, the same ones for the three; a difference within two standard errors of 0
is called "not shown".
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib as mpl
import numpy as np
from _spread import show_progress, verdict, within
from keras import layers
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd

mpl.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path("logs/augmentation")
EXAMPLES, COPIES, STEPS, SEEDS = 100, 7, 400, 6
BORDER = 1  # pixels that a shifted digit may move either way


def digits(seed):
    """A hundred training digits and the others for the test, with an empty border around each."""
    data = load_digits()
    images = np.pad(data.images / 16, [(0, 0), (BORDER, BORDER), (BORDER, BORDER)])
    return train_test_split(
        images.astype("float32")[..., None],
        data.target,
        train_size=EXAMPLES,
        stratify=data.target,
        random_state=seed,
    )


def transforms_of(name):
    """What each run does to its copies; a crop from the border's picture is a shift."""
    turn = kd.augmentation.rotate(0.04, fill_mode="constant")
    shift = kd.augmentation.crop(8, 8)
    return {
        "none": [shift],
        "turned and shifted": [turn, shift],
        "flipped": [kd.augmentation.flip("horizontal_and_vertical"), shift],
    }[name]


def network():
    """A small convolutional network."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.optimizer.build(model.trainable_variables)
    return model


def start_anew(model, seed):
    """Takes the numbers of a new network; what is compiled already stays, as it took long."""
    keras.utils.set_random_seed(seed)
    new = network()
    model.set_weights(new.get_weights())
    for old, first in zip(model.optimizer.variables, new.optimizer.variables, strict=True):
        old.assign(first)


def learn(model, name, seed):
    """Size of the training set, loss on the originals, and loss and accuracy on the test set."""
    start_anew(model, seed)
    x, x_test, y, y_test = digits(seed)
    copies = 0 if name == "none" else COPIES
    train = kd.augmentation.expand((x, y), transforms_of(name), copies=copies, seed=seed)
    # The same number of steps for all, so that more pictures do not mean more training.
    model.fit(train, epochs=round(STEPS / train.num_batches), verbose=0)
    cut = slice(BORDER, -BORDER)
    train_loss, _ = model.evaluate(x[:, cut, cut], y, verbose=0)
    return train.num_examples, train_loss, *model.evaluate(x_test[:, cut, cut], y_test, verbose=0)


def say(outcome, sentence):
    """Prints one of the notes' sentences and whether it held."""
    print(f"  [{outcome}] {sentence}")


def photographs():
    """The two photographs that scikit-learn brings along, cut to squares of 128 pixels."""
    return np.stack([image[50:434:3, 100:484:3] for image in load_sample_images().images])


def draw():
    """Originals on the left, what one epoch makes of them beside."""
    digit = (digits(0)[0][:2] * 255).astype("uint8")
    augmentation = kd.augmentation
    rows = [
        (
            photographs(),
            [augmentation.flip(), augmentation.rotate(0.06), augmentation.crop(104, 104)],
        ),
        (digit, transforms_of("turned and shifted")),
    ]
    shown = 6
    figure, panels = plt.subplots(4, shown + 1, figsize=(11, 6.6))
    for number, (images, transforms) in enumerate(rows):
        data = augmentation.expand(
            images, transforms, copies=shown, seed=1, shuffle=False, batch_size=2 * (shown + 1)
        )
        (new,) = data[0]
        for row in range(2):
            line = panels[2 * number + row]
            variants = [images[row], *new[row * (shown + 1) + 1 : (row + 1) * (shown + 1)]]
            for panel, image in zip(line, variants, strict=True):
                panel.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=255)
                panel.set_axis_off()
    for panel, title in zip(
        panels[0], ["original", *(f"copy {i + 1}" for i in range(shown))], strict=True
    ):
        panel.set_title(title)
    figure.suptitle("Photographs: flipped, turned, cropped. Digits: turned, shifted.")
    figure.tight_layout()
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / "copies.png", dpi=80)
    print(f"\nPicture: {FOLDER / 'copies.png'}")


def main(seeds=SEEDS):
    """Trains, checks the notes' sentence and draws."""
    start = time.perf_counter()
    names = ("none", "turned and shifted", "flipped")
    model, results = network(), {name: [] for name in names}
    for seed in range(seeds):
        for place, name in enumerate(names, start=1):
            results[name].append(learn(model, name, seed))
            show_progress(len(names) * seed + place, len(names) * seeds, start)
    print(f"\n{EXAMPLES} digits, {STEPS} steps of 32, means and standard errors of {seeds} seeds")
    results = {name: np.transpose(of_seeds) for name, of_seeds in results.items()}
    for name, (size, train_loss, test_loss, right) in results.items():
        print(
            f"{name:>18}: {size[0]:.0f} training pictures, training loss "
            f"{within(train_loss, '.3f')}, test loss {within(test_loss, '.3f')}, "
            f"{within(right, '.1%')} of the test set right"
        )
    print("\nThe notes' sentence:")
    (size, _, plain_loss, plain), (new_size, _, loss, right), (*_, flipped) = results.values()
    say(
        "held" if new_size[0] == (COPIES + 1) * EXAMPLES else "did not hold",
        f"Augmentation increases the size of the training set: {size[0]:.0f} digits became "
        f"{new_size[0]:.0f}.",
    )
    say(
        verdict(plain_loss - loss),
        f"It reduces overfitting: the test loss is {within(loss, '.3f')}, without it "
        f"{within(plain_loss, '.3f')}.",
    )
    say(
        verdict(right - plain),
        f"It brings more right answers: {within(right, '.1%')}, without it {within(plain, '.1%')}.",
    )
    say(
        verdict(right - flipped),
        "The transformation must not change the label: with flipped digits "
        f"{within(flipped, '.1%')} are right.",
    )
    draw()


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()
