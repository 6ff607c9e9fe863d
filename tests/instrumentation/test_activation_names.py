"""Activations are known by what they compute, whatever they are called and wrapped in."""

import functools
import importlib
import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.instrumentation import OWN_FUNCTION, activation_of, find_watched_layers
from keras_dlnotes.instrumentation.activation_names import activation_name
from keras_dlnotes.measures import SATURATION

MODULE = {"tensorflow": "tensorflow.nn", "jax": "jax.nn", "torch": "torch.nn.functional"}
BACKENDS = importlib.import_module(MODULE[keras.backend.backend()])
# Names that differ from Keras's.
OTHER_NAMES = {
    "swish": "silu",
    "hardswish": "hard_silu",
    "hardtanh": "hard_tanh",
    "hardsigmoid": "hard_sigmoid",
    "logsigmoid": "log_sigmoid",
    "soft_sign": "softsign",
    "identity": "linear",
}
SAME_NAMES = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_tanh",
    "leaky_relu",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "squareplus",
    "tanh",
]
# They need an argument, or give another shape.
NO_ONE_SHAPE = ("get", "serialize", "deserialize", "glu", "threshold")


@pytest.mark.parametrize("name", [*SAME_NAMES, *OTHER_NAMES])
def test_functions_of_the_backend(name):
    function = getattr(BACKENDS, name, None)
    if function is None:
        assert name not in ("softmax", "sigmoid", "tanh", "relu", "leaky_relu", "elu")
    else:
        assert activation_name(function) == OTHER_NAMES.get(name, name)
        assert activation_name(lambda x: function(x)) == OTHER_NAMES.get(name, name)


@pytest.mark.parametrize("name", sorted(set(dir(keras.activations)) - set(NO_ONE_SHAPE)))
def test_every_function_of_keras_is_known_behind_a_lambda(name):
    function = getattr(keras.activations, name)
    if callable(function):
        # With its usual alpha of 1, `celu` is `elu`.
        expected = {"celu": "elu"}.get(function.__name__, function.__name__)
        assert activation_name(lambda x: function(x)) == expected


CALLABLES = {
    "softmax, colder": (lambda x: ops.softmax(x / 2), "softmax"),
    "softmax, by hand": (lambda x: ops.exp(x) / ops.sum(ops.exp(x), -1, keepdims=True), "softmax"),
    "softmax, over examples": (lambda x: ops.softmax(x, axis=0), OWN_FUNCTION),
    "sigmoid, steeper": (lambda x: ops.sigmoid(3 * x), "sigmoid"),
    "tanh of a partial": (functools.partial(keras.activations.tanh), "tanh"),
    "scaled tanh": (lambda x: 1.7159 * ops.tanh(2 * x / 3), OWN_FUNCTION),
    "flipped sigmoid": (lambda x: ops.sigmoid(-x), OWN_FUNCTION),
    "slope above 1": (lambda x: ops.where(x > 0, x, 2 * x), OWN_FUNCTION),
    "elu of 0.3": (lambda x: keras.activations.elu(x, 0.3), "elu"),
    "raises": (lambda x: x.no_such_method(), OWN_FUNCTION),
    "other shape": (lambda x: x[:, :1], OWN_FUNCTION),
}


@pytest.mark.parametrize("name", CALLABLES)
def test_callables(name):
    function, expected = CALLABLES[name]
    assert activation_name(function) == expected


class OwnSoftmax(layers.Layer):
    def call(self, x):
        return ops.softmax(x)


class Counting(layers.Layer):
    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        return ops.relu(x)


LAYERS = [
    (layers.Softmax, "softmax"),
    (layers.ReLU, "relu"),
    (lambda: layers.ReLU(max_value=6), "relu6"),
    (layers.LeakyReLU, "leaky_relu"),
    (layers.ELU, "elu"),
    (layers.PReLU, "prelu"),
    (lambda: layers.Activation(BACKENDS.softmax), "softmax"),
    (lambda: layers.Lambda(lambda x: ops.softmax(x)), "softmax"),
    (lambda: layers.Lambda(lambda x, slope: ops.tanh(slope * x), arguments={"slope": 2}), "tanh"),
    (lambda: layers.Dense(2, activation=BACKENDS.sigmoid), "sigmoid"),
    (lambda: layers.Dense(2, activation=layers.LeakyReLU()), "leaky_relu"),
    (lambda: layers.Dense(2), "linear"),
    (OwnSoftmax, "softmax"),
    (Counting, None),  # it keeps something, so it is not asked
    (layers.MaxPooling1D, None),
    (layers.BatchNormalization, None),
]


@pytest.mark.filterwarnings("ignore:.*Implicit dimension")  # of torch's softmax
@pytest.mark.parametrize(("make", "expected"), LAYERS)
def test_layers(make, expected):
    layer = make()
    if not isinstance(layer, layers.MaxPooling1D):
        layer(ops.ones((2, 3)))
    before = [ops.convert_to_numpy(variable).copy() for variable in layer.variables]
    assert activation_of(layer) == expected
    after = [ops.convert_to_numpy(variable) for variable in layer.variables]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_operations_of_a_functional_model():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, ops.softmax(ops.tanh(inputs)))
    found = [activation_of(item) for item in model.operations[1:]]
    assert found == ["tanh", "softmax"]


def test_saturation_is_watched_whatever_the_name():
    stack = [layers.Dense(2, activation=lambda x: ops.tanh(x)), layers.Dense(2, BACKENDS.sigmoid)]
    model = keras.Sequential([keras.Input((3,)), *stack])
    found = [watched.saturation for watched in find_watched_layers(model)]
    assert found == [SATURATION["tanh"], SATURATION["sigmoid"]]


def draws():
    return np.random.normal(), random.random(), np.random.permutation(5).tolist()


class Noise(layers.Layer):
    """A user's own layer that draws from each global generator."""

    def call(self, x):
        np.random.shuffle(np.arange(4))
        return x + np.random.normal() + random.gauss(0, 1) + keras.random.normal(ops.shape(x))


@pytest.mark.parametrize("make", [Noise, lambda: layers.Dense(2, activation=Noise())])
@pytest.mark.parametrize("drawn_before", [False, True])
def test_what_a_training_draws_stays_the_same(make, drawn_before):
    found = []
    for asked in (False, True):
        keras.utils.set_random_seed(3)
        if drawn_before:
            keras.random.normal((1,))
        layer = make()
        if asked:
            assert activation_of(layer) == OWN_FUNCTION
        found.append((draws(), ops.convert_to_numpy(keras.random.normal((3,))).tolist()))
    assert found[0] == found[1]
