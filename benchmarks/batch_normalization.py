"""Batch normalization's two promises on the handwritten digits, beside Keras's layer.

    KERAS_BACKEND=jax python benchmarks/batch_normalization.py

The gap: after so many steps the training loss is evaluated twice over the same batches, once by
the statistics of the batch (as in training) and once by the running statistics (as at inference).
Their difference, as a share of the former, is what a user sees as a validation loss that is too
high for no reason. The accuracy: on held-out digits after training with batches of 2, 8 and 128.

Both layers start from the same weights and see the same batches; figures are medians over seeds.
`precise` is this package's layer with `PreciseBatchStatistics` over the training set.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd

CHECKPOINTS = (10, 50, 100)
BATCH_SIZES = (2, 8, 128)
BATCH = 64


def digits(seed):
    """Train and test pictures as vectors in [0, 1], and their labels."""
    x, y = load_digits(return_X_y=True)
    return train_test_split(
        x.astype("float32") / 16, y, test_size=0.3, stratify=y, random_state=seed
    )


def network(normalization):
    """Two hidden layers, each normalized before its activation."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(layers.Dense(64, use_bias=False))
        model.add(normalization())
        model.add(layers.Activation("relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def candidates():
    """The layers that are compared, by the names in the tables."""
    return {
        "keras, momentum 0.99": layers.BatchNormalization,
        "ours, momentum 0.99": kd.layers.BatchNormalization,
        "keras, momentum 0.9": lambda: layers.BatchNormalization(momentum=0.9),
        "ours, momentum 0.9": lambda: kd.layers.BatchNormalization(momentum=0.9),
    }


def loss(model, x, y, training):
    """Mean loss over the batches of the training set, without a step."""
    losses = []
    for start in range(0, len(x) - BATCH + 1, BATCH):
        part = slice(start, start + BATCH)
        output = keras.ops.convert_to_numpy(_forward(model, x[part], training))
        chosen = output[np.arange(BATCH), y[part]]
        losses.append(-np.log(np.maximum(chosen, 1e-7)).mean())
    return float(np.mean(losses))


def _forward(model, x, training):
    """The outputs; what a training pass does to the running statistics is undone."""
    values = [keras.ops.convert_to_numpy(v) for v in model.non_trainable_variables]
    output = model(x, training=training)
    for variable, value in zip(model.non_trainable_variables, values, strict=True):
        variable.assign(value)
    return output


def gaps(normalization, seed, start, precise=False):
    """|inference loss - training loss| / training loss at each checkpoint."""
    x, _, y, _ = digits(seed)
    model = network(normalization)
    _set_trainable(model, start)
    order = np.random.default_rng(seed)
    found = []
    for step in range(1, max(CHECKPOINTS) + 1):
        chosen = order.choice(len(x), BATCH, replace=False)
        model.train_on_batch(x[chosen], y[chosen])
        if step in CHECKPOINTS:
            if precise:
                callback = kd.callbacks.PreciseBatchStatistics(x, batch_size=256)
                callback.set_model(model)
                callback.recompute()
            trained, inferred = loss(model, x, y, True), loss(model, x, y, False)
            found.append(abs(inferred - trained) / trained)
    return found


def accuracy(normalization, seed, start, batch_size):
    """Share of right answers on the test set after a few epochs."""
    x, x_test, y, y_test = digits(seed)
    model = network(normalization)
    _set_trainable(model, start)
    model.optimizer.learning_rate = 0.1 * batch_size / 128
    model.fit(x, y, batch_size=batch_size, epochs=3 if batch_size < 128 else 10, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0)[1]


def _set_trainable(model, values):
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)


def starting_weights(seed):
    """The same for every candidate of a seed."""
    keras.utils.set_random_seed(seed)
    model = network(layers.BatchNormalization)
    return [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]


def main():
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--accuracy", action="store_true", help="the second table, minutes")
    arguments = parser.parse_args()
    starts = {seed: starting_weights(seed) for seed in range(arguments.seeds)}
    print(f"{keras.backend.backend()}, digits, batches of {BATCH}, medians of {len(starts)} seeds")
    print(
        "| gap between inference and training loss, relative | "
        + " | ".join(f"{c} steps" for c in CHECKPOINTS)
        + " |"
    )
    print("|---" * (len(CHECKPOINTS) + 1) + "|")
    rows = {
        name: np.median([gaps(make, seed, start) for seed, start in starts.items()], axis=0)
        for name, make in candidates().items()
    }
    rows["ours, precise"] = np.median(
        [gaps(kd.layers.BatchNormalization, s, start, precise=True) for s, start in starts.items()],
        axis=0,
    )
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{gap:.4f}" for gap in row) + " |")
    ratio = rows["ours, momentum 0.99"] / rows["keras, momentum 0.99"]
    print("| ours / keras, 0.99 | " + " | ".join(f"{r:.4f}" for r in ratio) + " |")
    if arguments.accuracy:
        print("\n| test accuracy | " + " | ".join(f"batch {size}" for size in BATCH_SIZES) + " |")
        print("|---" * (len(BATCH_SIZES) + 1) + "|")
        for name, make in candidates().items():
            shown = [
                np.median([accuracy(make, seed, start, size) for seed, start in starts.items()])
                for size in BATCH_SIZES
            ]
            print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shown) + " |")


if __name__ == "__main__":
    main()
