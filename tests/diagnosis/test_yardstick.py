"""Predictions by position, such as pixel, and the yardstick they are compared with."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.callbacks import Diagnosis
from keras_dlnotes.diagnosis.yardstick import are_aligned, surroundings

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("shape", "reach"), [((3, 7, 2), 6), ((3, 5, 6, 2), 2)])
def test_surroundings(shape, reach):
    inputs = RANDOM.normal(size=shape)
    count = int(np.prod(shape[1:-1]))
    assert are_aligned([inputs], count)
    assert not are_aligned([inputs], count - 1)
    assert not are_aligned([inputs, inputs], count)
    rows = np.array([0, count + 3, 3 * count - 1])
    found = surroundings(inputs, rows)
    for row, features in zip(rows, found, strict=True):
        example, *place = np.unravel_index(row, shape[:-1])
        near = inputs[example]
        for axis, position in enumerate(place):
            steps = np.clip(position + np.arange(-reach, reach + 1), 0, shape[1 + axis] - 1)
            near = near.take(steps, axis=axis)
        means = inputs[example].reshape(-1, 2).mean(axis=0)
        where = np.array(place) / shape[1:-1]
        np.testing.assert_allclose(features, [*near.ravel(), *means, *where])


SIZE = 12
PICTURES = RANDOM.normal(size=(120, SIZE, SIZE, 1)).astype("float32")
MASKS = (PICTURES + np.roll(PICTURES, 1, axis=2) > 0).astype("int32")


@pytest.mark.parametrize("kind", ["classes", "mask", "amounts"])
@pytest.mark.parametrize("rate", [0.02, 1e-7])
def test_pixels_are_compared_with_what_their_surroundings_tell(kind, rate):
    keras.utils.set_random_seed(0)
    units, activation, loss = {
        "classes": (2, "softmax", "sparse_categorical_crossentropy"),
        "mask": (1, "sigmoid", "binary_crossentropy"),
        "amounts": (1, None, "mse"),
    }[kind]
    inputs = keras.Input((SIZE, SIZE, 1))
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    outputs = layers.Conv2D(units, 1, activation=activation)(hidden)
    # Of images, Keras 3.15 on torch cannot take the gradient of the first loss on a CPU.
    model = keras.Model(inputs, layers.Reshape((SIZE * SIZE, units))(outputs))
    model.compile(keras.optimizers.Adam(rate), loss)
    y = 10.0 * np.roll(PICTURES, 1, axis=2) if kind == "amounts" else MASKS
    y = y.reshape((120, -1) if kind == "classes" else (120, -1, 1))
    diagnosis = Diagnosis(verbose=False)
    model.fit(PICTURES, y, epochs=25, batch_size=16, verbose=0, callbacks=[diagnosis])
    (evidence,) = diagnosis.evidence
    assert evidence.reference.best > 0.5
    causes = [finding.cause for finding in diagnosis.findings]
    assert causes[:1] == ([] if rate == 0.02 else ["learning_rate_too_low"])
