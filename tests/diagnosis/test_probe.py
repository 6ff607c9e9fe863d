import importlib

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.diagnosis import answer_of, probe

X = 200.0 * np.random.default_rng(0).normal(size=(64, 3)).astype("float32")


@pytest.mark.parametrize(
    ("first", "size"),
    [
        ([], 200.0),
        ([layers.Lambda(lambda x: x / 200.0 + 0.5)], 1.1),
        ([layers.Activation("sigmoid")], None),  # other numbers, in which large ones drown
        ([layers.Reshape((3, 1)), layers.Bidirectional(layers.LSTM(2))], None),
    ],
    ids=["as they are", "function", "squashed", "recurrent"],
)
def test_size_to_which_a_model_scales_its_inputs(first, size):
    model = keras.Sequential([keras.Input((3,)), *first, layers.Dense(2)])
    found = probe(model, [X]).scaled_to
    assert found == pytest.approx(size, rel=0.1) if size else found is None


class Gated(keras.Model):
    """A gate in a class of the user's own, whose connections nobody knows."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(3, name="hidden")
        self.gate = layers.Dense(3, activation="sigmoid", name="gate")
        self.product = layers.Multiply()
        self.top = layers.Dense(1)

    def call(self, x):
        hidden = self.hidden(x)
        return self.top(self.product([hidden, self.gate(hidden)]))


def test_what_is_multiplied_is_not_read_as_it_is():
    model = Gated()
    model(X)
    units = probe(model, [X]).units
    assert not units["gate"].read
    assert units["hidden"].read


def test_outputs_whose_squares_overflow_float32_are_measured_without_a_warning():
    """As those of a run that has diverged are."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu", name="hidden")])
    model.layers[0].kernel.assign(np.full((3, 4), 1e22))
    found = probe(model, [X]).units["hidden"]
    assert 1e23 < found.deviation < 1e26
    assert not found.non_finite


class TakesNamed(keras.Model):
    """Takes its inputs in a way of its own."""

    def call(self, inputs):
        return inputs["a name"]


def test_a_model_that_cannot_be_called_on_the_sample_has_no_answer():
    assert answer_of(TakesNamed(), [X]) is None


def test_a_fault_of_the_probe_is_told(monkeypatch):
    def fail(model, inputs):
        raise ZeroDivisionError("in the probe")

    monkeypatch.setattr(importlib.import_module("keras_dlnotes.diagnosis.probe"), "probe", fail)
    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match="not judge.*ZeroDivisionError: in the probe"):
        assert answer_of(model, [X]) is None
