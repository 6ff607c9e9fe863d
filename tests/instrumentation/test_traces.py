"""How often a step is traced, which is most of the time until the first steps are over."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import MemoryWriter

X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
TRACES = []


class Counted(keras.layers.Layer):
    """Counts how often Python runs through it in training."""

    def call(self, x, training=None):
        if training:
            TRACES.append(1)
        return ops.multiply(x, 1.0)


def network():
    keras.utils.clear_session()  # names start anew
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, activation="relu"),
            Counted(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def fit(model, *callbacks):
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False}
    return model.fit(X, Y, callbacks=list(callbacks), **options).history["loss"]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch traces no step")
def test_plain_and_recorded_step_are_traced_once_each():
    model = network()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    TRACES.clear()
    fit(model, TrainingMonitor(writer=MemoryWriter(), every=10))
    assert len(TRACES) == 2


def test_variables_made_ahead_are_those_that_the_step_would_make():
    losses, weights, optimizers = [], [], []
    for callbacks in ([], [TrainingMonitor(writer=MemoryWriter(), every=10)]):
        model = network()
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        losses.append(fit(model, *callbacks))
        weights.append(model.get_weights())
        optimizers.append([(v.path, v.shape, v.dtype) for v in model.optimizer.variables])
    np.testing.assert_allclose(*losses, rtol=1e-6)
    for plain, observed in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, observed, rtol=0, atol=1e-6)
    assert optimizers[0] == optimizers[1]


def test_what_is_wrong_with_the_data_is_told_by_the_step():
    errors = []
    for callbacks in ([], [TrainingMonitor(writer=MemoryWriter())]):
        model = network()
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        with pytest.raises(ValueError, match="shape") as caught:
            model.fit(X, np.zeros((64, 3)), verbose=0, callbacks=callbacks)
        errors.append(str(caught.value).splitlines()[0])
    assert errors[0] == errors[1]
