"""Copies of models that hold what Keras cannot write down."""

import functools

import keras
import numpy as np
import pytest

from keras_dlnotes.backend import internals
from keras_dlnotes.diagnosis import CannotCopyError, compile_like, copy_of, optimizer_like

layers = keras.layers
X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def backends_relu():
    name = keras.backend.backend()
    if name == "tensorflow":
        return pytest.importorskip("tensorflow").nn.softplus
    if name == "jax":
        return pytest.importorskip("jax").nn.relu
    return pytest.importorskip("torch").nn.functional.relu


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, weight):
        return 0.01 * keras.ops.sum(weight**2)


class WithoutKeywords(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.inner = layers.Dense(units)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class WithFunction(layers.Layer):
    def __init__(self, units, function):
        super().__init__()
        self.units, self.function = units, function

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x):
        return self.function(x @ self.weight)


class Cell(layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.state_size = self.units = units

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x, states):
        state = x @ self.weight + states[0]
        return state, [state]

    def get_config(self):
        return super().get_config() | {"units": self.units}


class Subclassed(keras.Model):
    """Its argument is nowhere to be found."""

    def __init__(self, units=2):
        super().__init__()
        self.hidden = layers.Dense(units, activation=lambda t: 2 * t)
        self.heads = [layers.Dense(3), layers.Dense(1)]
        self.factor = units / 10

    def call(self, x):
        for head in [self.hidden, *self.heads]:
            x = head(x)
        return self.factor * x


class Pair(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        return self.decoder(self.encoder(x))

    def compile(self, second_optimizer, own_loss):
        super().compile()
        self.second_optimizer, self.own_loss = second_optimizer, own_loss


class OwnSequential(keras.Sequential):
    def __init__(self, units):
        super().__init__([keras.Input((4,)), layers.Dense(units)])

    def train_step(self, *arguments):
        return super().train_step(*arguments)


class OwnFunctional(keras.Model):
    def __init__(self, units):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(units)(inputs))

    def train_step(self, *arguments):
        return super().train_step(*arguments)


def stack(*chain):
    return keras.Sequential([keras.Input((4,)), *chain])


def sequence(*chain):
    return stack(layers.Reshape((2, 2)), *chain)


def graph():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, activation=lambda t: 2 * t)
    hidden = keras.ops.relu(shared(shared(inputs)))[:, :3] * 2.0
    nested = stack(layers.Dense(4))
    nested.compile("adam", lambda t, p: keras.ops.mean(t - p))
    joined = layers.Concatenate()([hidden, nested(inputs), shared(nested(inputs))])
    return keras.Model(inputs, layers.Dense(1)(joined))


def partly_frozen():
    inner = stack(layers.Dense(4), layers.Dense(4))
    inner.layers[0].trainable = False
    return stack(inner, layers.BatchNormalization(), layers.Dense(1))


MODELS = {
    "lambda": lambda: stack(layers.Dense(3, activation=lambda t: 2 * t)),
    "backend": lambda: stack(layers.Dense(3, activation=backends_relu())),
    "keras.ops": lambda: stack(layers.Dense(3, activation=keras.ops.relu)),
    "partial": lambda: stack(
        layers.Dense(3, functools.partial(keras.activations.leaky_relu, negative_slope=0.3))
    ),
    "regularizers": lambda: stack(
        layers.Dense(3, kernel_regularizer=OwnRegularizer()),
        layers.Dense(3, kernel_constraint=lambda w: w, kernel_regularizer=keras.ops.sum),
    ),
    "lambda layers": lambda: stack(
        layers.Lambda(lambda t: 2 * t), layers.Activation(lambda t: 2 * t), layers.Dense(1)
    ),
    "own layers": lambda: stack(WithoutKeywords(3), WithFunction(2, lambda t: 2 * t)),
    "wrapped": lambda: sequence(
        layers.TimeDistributed(WithoutKeywords(3)), layers.LSTM(3, activation=lambda t: t)
    ),
    "cells": lambda: sequence(layers.RNN([Cell(3), Cell(2)])),
    "graph": graph,
    "partly frozen": partly_frozen,
    "subclassed": lambda: Subclassed(5),
    "pair": lambda: Pair(stack(layers.Dense(3)), layers.Dense(1)),
    "own sequential": lambda: OwnSequential(3),
    "own functional": lambda: OwnFunctional(3),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_copy_computes_the_same_and_shares_nothing(name):
    model = MODELS[name]()
    expected = keras.ops.convert_to_numpy(model(X))
    copy = copy_of(model, X[:2])
    assert type(copy) is type(model)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(copy(X)), expected, atol=1e-5)
    ours, theirs = internals.flatten_layers(copy), internals.flatten_layers(model)
    assert not {id(layer) for layer in ours} & {id(layer) for layer in theirs}
    assert len(ours) == len(theirs)
    assert [v.trainable for v in copy.weights] == [v.trainable for v in model.weights]
    assert len(copy.trainable_weights) == len(model.trainable_weights)
    copy.set_weights([0.5 * weight for weight in copy.get_weights()])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(X)), expected)


def test_fresh_weights_leave_frozen_ones_as_they_are():
    model = partly_frozen()
    copy = copy_of(model, X[:2], weights=False)
    same = [
        np.array_equal(a, b)
        for a, b in zip(model.get_weights(), copy.get_weights(), strict=True)
        if a.ndim == 2
    ]
    assert same == [True, False, False]


def test_an_unbuilt_model_stays_unbuilt():
    model = keras.Sequential([layers.Dense(3), layers.Dense(1)])
    assert copy_of(model, X[:2]).built
    assert not model.built


def test_settings_of_compile_are_handed_over():
    def loss(y_true, y_pred):
        return keras.ops.mean(y_true - y_pred, axis=-1)

    model = stack(layers.Dense(1))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), loss, loss_weights=2.0, run_eagerly=True)
    copy = copy_of(model, X[:2])
    compile_like(copy, model)
    assert copy.loss is loss
    assert copy.run_eagerly
    assert copy.optimizer is not model.optimizer
    assert copy.optimizer.momentum == 0.5
    value = copy.compute_loss(y=np.ones((2, 1)), y_pred=np.zeros((2, 1)))
    assert float(value) == pytest.approx(2.0)


def test_what_a_compile_of_ones_own_has_set():
    model = MODELS["pair"]()
    model(X)
    model.compile(keras.optimizers.Adam(0.3), backends_relu())
    copy = copy_of(model, X[:2])
    assert copy.own_loss is model.own_loss
    assert copy.second_optimizer is not model.second_optimizer
    assert float(copy.second_optimizer.learning_rate) == pytest.approx(0.3)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.25 / (1.0 + keras.ops.cast(step, "float32"))


class Shrinking(keras.optimizers.Optimizer):
    """Has no `get_config` that speaks of its own argument."""

    def __init__(self, learning_rate=0.1, shrink=0.5):
        super().__init__(learning_rate=learning_rate)
        self.shrink = shrink

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, self.shrink * learning_rate * gradient)


def test_optimizers_and_their_schedules():
    for rate in (Schedule(), lambda: 0.25, 0.25):
        new = optimizer_like(keras.optimizers.Adam(rate, beta_1=0.5))
        assert float(new.learning_rate) == 0.25
        assert new.beta_1 == 0.5
    assert optimizer_like(Shrinking(shrink=0.75)).shrink == 0.75
    changed = optimizer_like(keras.optimizers.Adam(Schedule()), learning_rate=0.5)
    assert float(changed.learning_rate) == 0.5


class LateLayer(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, shape):
        self.inner = layers.Dense(2)
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


def test_why_a_model_cannot_be_copied():
    with pytest.raises(CannotCopyError, match="its layers"):
        copy_of(stack(LateLayer(np.sum)), X[:2])


def test_an_error_of_the_call_is_its_own():
    with pytest.raises(ValueError, match="incompatible") as caught:
        copy_of(stack(layers.Dense(1)), X[:2, :3])
    assert not isinstance(caught.value, CannotCopyError)
