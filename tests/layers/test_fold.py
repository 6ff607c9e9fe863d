"""Folding leaves the outputs as they are, and says what it cannot fold."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.backend import internals
from keras_dlnotes.layers import BatchNormalization, fold

CHANNELS_FIRST = keras.backend.backend() != "tensorflow"  # its CPU convolutions cannot


def stirred(model):
    """Every weight drawn anew, so that no statistic is 0 or 1."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.3, 1.5, variable.shape))
    return model


def norm(**arguments):
    return layers.BatchNormalization(**arguments)


def normalizations(model):
    return [
        layer
        for layer in internals.flatten_layers(model)
        if isinstance(layer, (layers.BatchNormalization, BatchNormalization))
    ]


def assert_folds(model, kept=0, **arguments):
    stirred(model)
    shape = [4, *model.input_shape[1:]]
    inputs = np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")
    before = [np.array(weight) for weight in model.get_weights()]
    folded = fold(model, **arguments)
    expected, outputs = (ops.convert_to_numpy(m(inputs, training=False)) for m in (model, folded))
    assert np.abs(outputs - expected).max() <= 1e-5 * np.abs(expected).max()
    assert len(normalizations(folded)) == kept
    folded.predict(inputs, verbose=0)  # must not take memory that the model still holds
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    return folded


def sequential(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize(
    ("shape", "make"),
    [
        ((5,), lambda: layers.Dense(4, use_bias=False)),
        ((7, 3), lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2)),
        ((6, 6, 4), lambda: layers.Conv2D(4, 3, strides=2, groups=2)),
        ((4, 4, 4, 2), lambda: layers.Conv3D(3, 2)),
        ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2)),
        ((7, 3), lambda: layers.DepthwiseConv1D(3, use_bias=False)),
        ((6, 6, 3), lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2)),
        ((5, 2), lambda: layers.Conv1DTranspose(4, 3, strides=2)),
        ((5, 5, 2), lambda: layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)),
        ((3, 3, 3, 2), lambda: layers.Conv3DTranspose(3, 2)),
    ],
    ids=lambda item: "" if isinstance(item, tuple) else type(item()).__name__,
)
def test_every_kind_of_linear_layer(shape, make):
    folded = assert_folds(sequential(shape, make(), BatchNormalization(), layers.ReLU()))
    assert len(folded.layers) == 2


@pytest.mark.skipif(not CHANNELS_FIRST, reason="TensorFlow convolves channels last on a CPU")
def test_channels_first():
    convolution = layers.Conv2D(4, 3, data_format="channels_first")
    assert_folds(sequential((3, 6, 6), convolution, norm(axis=1)))
    with pytest.raises(ValueError, match="normalizes axis -1"):
        fold(sequential((3, 6, 6), layers.Conv2D(4, 3, data_format="channels_first"), norm()))


def test_nested_and_branching_models_with_keras_and_our_layer():
    inner = sequential((4,), layers.Dense(6), norm(scale=False), layers.Activation("tanh"))
    inputs = keras.Input((4,))
    left = BatchNormalization(affine=False)(layers.Dense(6)(inputs))
    x = layers.Add()([ops.relu(left), inner(inputs)])
    twin = keras.Input((6,))
    functional = keras.Model(twin, norm(center=False)(layers.Dense(4, use_bias=False)(twin)))
    model = keras.Model(inputs, [inner(functional(x)), layers.Dense(2)(x)][0])
    model.compile("sgd", "mse")
    folded = assert_folds(model)
    assert folded.compiled
    assert not [layer for layer in folded.layers if isinstance(layer, layers.Identity)]


def random_stack(rng, depth):
    """A few random layers of width 4, and how many of them and of those inside are to be folded."""
    stack, folded, linear = [], 0, False
    for _ in range(rng.integers(2, 6)):
        kind = rng.integers(6 if depth else 5)
        if kind == 5:
            inner, inside = random_stack(rng, depth - 1)
            stack.append(sequential((4,), *inner))
            folded, linear = folded + inside, False
        elif kind in (1, 2):
            stack.append(BatchNormalization() if kind == 1 else norm())
            folded, linear = folded + linear, False
        else:
            stack.append([layers.Dense(4), layers.ReLU(), layers.Dense(4, "tanh")][kind % 3])
            linear = kind % 3 == 0
    return stack, folded


def inner_layers(model):
    return [layer for layer in internals.flatten_layers(model) if not hasattr(layer, "layers")]


def count_of_layers(model):
    return sum(not isinstance(layer, layers.InputLayer) for layer in inner_layers(model))


@pytest.mark.parametrize("functional", [False, True], ids=["sequential", "functional"])
def test_random_models_predict_the_same_and_lose_no_layer(functional):
    inputs = np.random.default_rng(1).uniform(-1, 1, (4, 4)).astype("float32")
    total = 0
    for seed in range(30 if functional else 60):
        stack, folded = random_stack(np.random.default_rng(seed), depth=2)
        if functional:
            x = start = keras.Input((4,))
            for layer in stack:
                x = layer(x)
            model = keras.Model(start, layers.Add()([x, start]))
        else:
            model = sequential((4,), *stack)
        rng = np.random.default_rng(seed)
        for variable in model.weights:
            variable.assign(rng.uniform(0.1, 0.9, variable.shape))
        new = fold(model, partial=True)
        expected, outputs = (ops.convert_to_numpy(m(inputs)) for m in (model, new))
        np.testing.assert_allclose(
            outputs, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max(), err_msg=str(seed)
        )
        assert count_of_layers(new) == count_of_layers(model) - folded
        assert len(normalizations(new)) == len(normalizations(model)) - folded
        total += folded
    assert total > 10  # or the models would show nothing


def test_what_cannot_be_folded_is_named_with_its_reason():
    inputs = keras.Input((4,))
    both = layers.Dense(4, name="both")(inputs)
    shared = layers.Dense(4, name="shared")
    x = layers.Add()([both, norm(name="first")(both)])
    x = norm(name="second")(layers.Dense(4, "relu", name="active")(x))
    x = norm(name="third")(layers.Dropout(0.5, name="drop")(x))
    x = norm(name="fourth")(shared(shared(x)))
    inside = layers.TimeDistributed(norm(name="fifth"), name="wrapper")
    x = layers.Flatten()(inside(layers.Reshape((2, 2))(x)))
    model = keras.Model(inputs, norm(name="sixth")(layers.Dense(3, name="last")(x)))
    with pytest.raises(ValueError, match="partial=True") as refusal:
        fold(model)
    for name, reason in {
        "first": "'both' (Dense) also feeds 'add",
        "second": "the activation 'relu' of 'active' (Dense) lies between",
        "third": "it follows 'drop' (Dropout)",
        "fourth": "is used in several places",
        "fifth": "it is hidden in 'wrapper' (TimeDistributed)",
    }.items():
        assert f"- {name}: " in str(refusal.value)
        assert reason in str(refusal.value)
    assert "sixth" not in str(refusal.value)
    assert_folds(model, kept=5, partial=True)


def test_models_without_known_connections():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="known which layer follows"):
        fold(Subclassed())
    with pytest.raises(ValueError, match="known which layer follows"):
        fold(keras.Sequential([layers.Dense(2), norm()]))
    with pytest.raises(ValueError, match="no layer before it"):
        fold(sequential((3,), norm(), layers.Dense(2)))
