"""Which layers have a way around them, and which are gates."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.diagnosis import model_facts, probe
from keras_dlnotes.diagnosis.layer_paths import LayerPaths

IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 6)).astype("float32")


def facts_of(outputs, inputs):
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    return {layer.name: layer for layer in model_facts(model).layers}


def squeeze_and_excite(x, prefix=""):
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(2, 1, activation="relu", name=f"{prefix}squeeze")(weights)
    weights = layers.Conv2D(6, 1, activation="sigmoid", name=f"{prefix}excite")(weights)
    return layers.Multiply()([x, weights])


def test_squeeze_and_excite():
    inputs = keras.Input((8, 8, 6))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(inputs)
    x = layers.Conv2DTranspose(6, 3, padding="same", name="transposed")(squeeze_and_excite(x))
    x = layers.Conv2D(3, 3, activation="sigmoid", name="plain")(x)
    facts = facts_of(layers.Flatten()(x), inputs)
    assert {name for name, one in facts.items() if one.gate} >= {"excite"}
    assert not facts["plain"].gate
    assert {facts[name].bypassed for name in ("squeeze", "excite")} == {True}
    assert {facts[name].bypassed for name in ("depthwise", "transposed", "plain")} == {False}
    assert [facts[name].units for name in ("depthwise", "transposed", "plain")] == [6, 6, 3]
    assert facts["plain"].numbers == 6 * 6 * 3


def test_residual_blocks_in_nested_models():
    inner_inputs = keras.Input((6,))
    hidden = layers.Dense(2, name="branch")(inner_inputs)
    block = keras.Model(inner_inputs, layers.Add()([inner_inputs, layers.Dense(6)(hidden)]))
    stem = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="stem")])
    inputs = keras.Input((4,))
    facts = facts_of(layers.Dense(1, name="head")(block(stem(inputs))), inputs)
    assert facts["branch"].bypassed
    assert not facts["stem"].bypassed
    assert not facts["head"].bypassed


@pytest.mark.parametrize("kind", ["highway", "gated unit", "attention", "scaled by 2", "added"])
def test_gates_by_the_graph(kind):
    inputs = keras.Input((5, 4))
    gate = layers.Dense(4, "sigmoid", name="gate")(inputs)
    other = layers.Dense(4, name="other")(inputs)
    outputs = {
        "highway": lambda: gate * other + (1.0 - gate) * inputs,
        "gated unit": lambda: keras.ops.multiply(other, layers.Dropout(0.1)(gate)),
        "attention": lambda: layers.Dot(axes=1)([gate, other]),
        "scaled by 2": lambda: gate * 2.0,
        "added": lambda: layers.Add()([gate, other]),
    }[kind]()
    facts = facts_of(layers.Dense(1)(layers.Flatten()(outputs)), inputs)
    assert facts["gate"].gate == (kind not in ("scaled by 2", "added"))


class Excited(keras.layers.Layer):
    """Squeeze and excite, and its sum with a plain sigmoid layer."""

    def __init__(self):
        super().__init__()
        self.excite = layers.Dense(6, "sigmoid", name="excite")
        self.plain = layers.Dense(6, "sigmoid", name="plain")
        self.last = layers.Dense(6, name="last")

    def call(self, x):
        weights = self.excite(keras.ops.mean(x, (1, 2)))
        return x * weights[:, None, None, :] + self.last(self.plain(x))


def test_a_sigmoid_in_a_class_of_ones_own_is_a_gate_if_no_layer_reads_it():
    model = keras.Sequential([keras.Input((8, 8, 6)), Excited(), layers.Flatten(), layers.Dense(1)])
    units = probe(model, [IMAGES]).units
    assert not units["excite"].read
    assert units["plain"].read
    assert units["last"].units == 6
    assert LayerPaths(model).bypassed(model.layers[0].excite)  # for what is not known


def test_units_of_recurrent_layers():
    inputs = keras.Input((5, 4))
    facts = facts_of(layers.Dense(1)(layers.LSTM(7, name="recurrent")(inputs)), inputs)
    assert facts["recurrent"].units == 7


def test_weights_that_were_trained_are_told_from_those_that_were_drawn():
    inputs = keras.Input((16,))
    base = keras.Sequential([keras.Input((16,)), layers.Dense(32, name="base")])
    x = layers.BatchNormalization(name="norm")(base(inputs))
    model = keras.Model(inputs, layers.Dense(1, name="head")(x))
    base.trainable = model.get_layer("norm").trainable = False
    model.compile("adam", "mse")

    def drawn():
        return [layer.as_drawn for layer in model_facts(model).layers if not layer.trainable]

    assert all(drawn())
    base.layers[0].bias.assign(np.full(32, 0.1))
    assert not all(drawn())
    base.layers[0].bias.assign(np.zeros(32))
    model.get_layer("norm").moving_mean.assign(np.full(32, 0.1))
    assert not all(drawn())
