"""Three broken networks on the digits: what is wrong with them, and what the remedy gains.

    python examples/diagnosis.py

Each network is trained as it is. `Diagnosis` names the cause; its first finding's remedy is read
from the finding itself and applied; the repaired network is trained again, and has to be one of
which `Diagnosis` has nothing to say. The curves go to `logs/diagnosis/curves.png`.
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
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd

FOLDER = Path("logs/diagnosis")
EPOCHS = 15
# What differs from a sound network: the raw numbers of another camera, a learning rate two hundred
# times too high, weights without any difference between units.
BROKEN = {
    "raw pixel values": {"contrast": 250.0},
    "learning rate 20": {"learning_rate": 20.0},
    "weights of zeros": {"initializer": "zeros"},
}


def data(contrast):
    """The digits, their grey values multiplied by `contrast`, in two halves of seven to three."""
    x, y = load_digits(return_X_y=True)
    return train_test_split(contrast * x / 16, y, test_size=0.3, random_state=0, stratify=y)


def train(contrast=1.0, learning_rate=0.1, initializer="glorot_uniform", standardize=False):
    """Trains one network; returns its accuracies on the test part by epoch, and the diagnosis."""
    keras.utils.set_random_seed(0)
    x, x_test, y, y_test = data(contrast)
    if standardize:
        mean, deviation = x.mean(), x.std()
        x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    layers = [
        keras.layers.Dense(48, activation="relu", kernel_initializer=initializer) for _ in range(3)
    ]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10, "softmax")])
    model.compile(
        kd.optimizers.GradientDescent(learning_rate=learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    diagnosis = kd.callbacks.Diagnosis(log_dir=FOLDER / "run")
    history = model.fit(
        x, y, epochs=EPOCHS, verbose=0, validation_data=(x_test, y_test), callbacks=[diagnosis]
    )
    return history.history["val_accuracy"], diagnosis


def remedy_of(finding):
    """The arguments of `train` with which the finding's remedy is applied."""
    fix = dict(finding.fix)
    if "initializer" in fix:
        fix["initializer"] = {"he": kd.initializers.He, "xavier": kd.initializers.Xavier}[
            fix["initializer"]
        ]()
    return {
        name: fix[name] for name in ("standardize", "learning_rate", "initializer") if name in fix
    }


def percent(accuracy):
    """An accuracy with its standard error, which comes from the number of test digits."""
    error = (accuracy * (1 - accuracy) / len(data(1.0)[1])) ** 0.5
    return f"{100 * accuracy:.1f} ± {100 * error:.1f} %"


def draw(curves):
    """One panel a fault: test accuracy by epoch, broken and repaired."""
    figure, panels = plt.subplots(1, len(curves), figsize=(13, 4.2), sharey=True)
    epochs = np.arange(1, EPOCHS + 1)
    for panel, (title, (broken, repaired, cause)) in zip(panels, curves.items(), strict=True):
        panel.plot(epochs, broken, "o-", color="tab:red", label="as it was")
        panel.plot(epochs, repaired, "o-", color="tab:blue", label="after the remedy")
        panel.set(title=f"{title}\nfound: {cause}", xlabel="epoch", ylim=(0, 1.02))
    panels[0].set_ylabel("accuracy on digits not trained on")
    panels[0].legend(loc="center right", frameon=False)
    figure.tight_layout()
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / "curves.png", dpi=90)


def main():
    """Breaks, diagnoses and repairs the three networks."""
    curves = {}
    print(
        f"Each network is trained once; ± is the standard error of an accuracy on "
        f"{len(data(1.0)[1])} digits."
    )
    for title, fault in BROKEN.items():
        print(f"\n=== {title} ===")
        broken, diagnosis = train(**fault)
        finding = diagnosis.findings[0]
        remedy = remedy_of(finding)
        repaired, after = train(**(fault | remedy))
        curves[title] = (broken, repaired, finding.cause)
        print(
            f"\nWith {title} the network ended at {percent(broken[-1])}. The first of "
            f"{len(diagnosis.findings)} findings is {finding.cause!r}; its remedy, "
            f"{', '.join(remedy)}, brings {percent(repaired[-1])}, and then there are "
            f"{len(after.findings)} findings."
        )
    draw(curves)
    print(f"\nPicture: {FOLDER / 'curves.png'}")
    return curves


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()
