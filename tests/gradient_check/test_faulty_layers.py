"""Which layer of a model is named where many gradients are wrong."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dlnotes as kd


def squared(correct):
    @ops.custom_gradient
    def function(x):
        def gradient(*received, upstream=None):
            upstream = received[0] if upstream is None else upstream
            return upstream * (2.0 * x if correct else x)

        return x * x, gradient

    return function


class Squared(keras.layers.Layer):
    def __init__(self, correct=True, **kwargs):
        super().__init__(**kwargs)
        self.function = squared(correct)

    def call(self, inputs):
        return self.function(inputs)


class Block(keras.layers.Layer):
    """A layer of the user's own around another one."""

    def __init__(self, correct, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3)
        self.inner = Squared(correct, name="inside")

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.inner(self.dense(inputs))


class Network(keras.Model):
    def __init__(self, *layers, **kwargs):
        super().__init__(**kwargs)
        self.parts = list(layers)

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


X = np.random.default_rng(0).normal(size=(5, 4))
Y = np.random.default_rng(1).normal(size=(5, 2))


def sequential(*layers):
    return keras.Sequential([keras.Input((4,)), *layers])


@pytest.mark.parametrize("make", [sequential, Network])
def test_only_the_layer_whose_own_gradient_is_wrong_is_named(make):
    model = make(
        keras.layers.Dense(3),
        Squared(True, name="right"),
        keras.layers.Dense(3),
        Squared(False, name="wrong"),
        Squared(True, name="above"),
        keras.layers.Dense(2),
    )
    model.compile("sgd", "mse")
    before = [ops.convert_to_numpy(w) for w in model.weights]
    report = kd.check_gradients(model, X, Y)
    assert len(report.failures) == 4  # both kernels and biases below
    assert report.faulty_layers == ["wrong"]
    assert "layer 'wrong' is wrong by itself" in str(report)
    for old, new in zip(before, model.weights, strict=False):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new))


def test_the_inner_layer_of_a_block_is_named():
    model = sequential(keras.layers.Dense(3), Block(False), keras.layers.Dense(2))
    model.compile("sgd", "mse")
    assert kd.check_gradients(model, X, Y).faulty_layers == ["inside"]


def test_an_activation_of_the_users_own_is_named():
    model = sequential(keras.layers.Dense(3, activation=squared(False), name="odd"))
    assert kd.check_gradients(model, X).faulty_layers == ["odd"]


def test_no_layer_is_named_where_the_loss_is_wrong():
    def loss(y_true, y_pred):
        return ops.mean(squared(False)(y_true - y_pred), axis=-1)

    model = sequential(Squared(), keras.layers.Dense(2))
    model.compile("sgd", loss)
    report = kd.check_gradients(model, X, Y)
    assert report.failures
    assert report.faulty_layers == []


def test_no_layer_is_checked_alone_where_all_is_right(monkeypatch):
    def fail(*arguments):
        raise AssertionError("no layer needs a check")

    monkeypatch.setattr("keras_dlnotes.gradient_check.check.faulty_layers", fail)
    model = sequential(Squared(), keras.layers.Dense(2))
    assert kd.check_gradients(model, X).passed
