"""The normalization lands between linear map and activation, and nowhere else."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.backend import internals
from keras_dlnotes.layers import BatchNormalization, normalize_before_activation


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_a_layer_becomes_a_block():
    block = normalize_before_activation(layers.Dense(3, "tanh", name="hidden"), momentum=None)
    assert kinds(block) == ["Dense", "BatchNormalization", "Activation"]
    linear, normalization, activation = block.layers
    assert not linear.use_bias
    assert normalization.momentum is None
    inputs = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    outputs = ops.convert_to_numpy(block(inputs, training=True))
    z = inputs @ ops.convert_to_numpy(linear.kernel)
    expected = np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert activation.activation is keras.activations.tanh


def test_a_built_layer_keeps_its_kernel_and_its_channels_first():
    layer = layers.Conv2D(3, 2, activation="relu", data_format="channels_first")
    layer.build((None, 2, 5, 5))
    block = normalize_before_activation(layer)
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(x.kernel) for x in (block.layers[0], layer))
    )
    assert block.layers[1].moving_mean.shape == (3,)


def test_sequential_model_with_activations_of_every_form(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.DepthwiseConv2D(2),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(5, activation=layers.PReLU(name="own")),
            layers.Dense(4),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(3),
            layers.Activation("softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    new = normalize_before_activation(model)
    ours = [layer for layer in new.layers if isinstance(layer, BatchNormalization)]
    assert len(ours) == 3
    assert kinds(new)[:6] == [
        "Conv2D", "BatchNormalization", "Activation",
        "DepthwiseConv2D", "BatchNormalization", "LeakyReLU",
    ]  # fmt: skip
    for old, kept in ((0, 0), (4, 7), (9, 14)):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(new.layers[kept].kernel),
            ops.convert_to_numpy(model.layers[old].kernel),
        )
    x, y = np.random.default_rng(0).normal(size=(8, 6, 6, 1)), np.arange(8) % 3
    new.fit(x, y, epochs=1, verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()  # nothing is shared with the new one
    new.save(tmp_path / "new.keras")
    loaded = keras.saving.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), new.predict(x, verbose=0), atol=1e-6)


def test_functional_model_with_a_shared_layer_and_a_nested_model():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, "relu", name="shared")
    nested = keras.Sequential([keras.Input((4,)), layers.Dense(4, "tanh", name="nested")])
    x = layers.Add()([shared(inputs), shared(ops.sin(inputs))])
    outputs = [layers.Dense(2, "softmax", name="head")(nested(x)), nested(x)]
    new = normalize_before_activation(keras.Model(inputs, outputs[0]))
    names = [
        layer.name
        for layer in internals.flatten_layers(new)
        if isinstance(layer, BatchNormalization)
    ]
    assert sorted(names) == ["nested_normalization", "shared_normalization"]
    assert new(np.ones((3, 4), "float32")).shape == (3, 2)
    # What the nested model gives out is now an output of the whole: its scale is left alone.
    with_two = normalize_before_activation(keras.Model(inputs, outputs))
    names = [
        layer.name
        for layer in internals.flatten_layers(with_two)
        if isinstance(layer, BatchNormalization)
    ]
    assert names == ["shared_normalization"]


def test_what_is_refused():
    with pytest.raises(ValueError, match="dense or convolution layer"):
        normalize_before_activation(layers.LSTM(3))
    with pytest.raises(ValueError, match="before the model's outputs"):
        normalize_before_activation(keras.Sequential([layers.Dense(3, "relu")]))
