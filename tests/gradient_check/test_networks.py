"""No false failure on whole networks, and nothing changed in them."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_dlnotes as kd


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def labels(count, classes=3):
    return np.arange(count) % classes


def lstm():
    model = keras.Sequential(
        [layers.Embedding(7, 4, mask_zero=True), layers.LSTM(3), layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, np.random.default_rng(0).integers(0, 7, (4, 5)), labels(4)


def attention_block():
    x = inputs = keras.Input((4, 6))
    y = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(x + y)
    y = layers.Dense(6)(layers.Dense(8, activation="gelu")(x))
    outputs = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x + y))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model, draw(3, 4, 6), draw(3, 6, seed=1)


def convolutional():
    model = keras.Sequential(
        [
            layers.Conv2D(3, 3, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, draw(4, 8, 8, 2), labels(4)


def mixed_precision():
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential(
        [
            layers.Dense(5, activation="tanh", dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Dense(2, dtype=policy),
        ]
    )
    model.compile("adam", "mse")
    return model, draw(4, 3), draw(4, 2, seed=1)


def shared_and_nested():
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    shared = keras.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(3)])
    joined = layers.Concatenate()([shared(first), shared(second), shared(first + second)])
    outputs = {"a": layers.Dense(2, name="a")(joined), "b": layers.Dense(1, name="b")(joined)}
    model = keras.Model({"first": first, "second": second}, outputs)
    model.compile(
        "sgd", {"a": "mse", "b": keras.losses.Huber(0.1)}, loss_weights={"a": 0.5, "b": 2.0}
    )
    x = {"first": draw(5, 4), "second": draw(5, 4, seed=1)}
    weights = {"a": np.linspace(0, 1, 5), "b": np.ones(5)}
    return model, x, {"a": draw(5, 2, seed=2), "b": draw(5, 1, seed=3)}, weights


class Subclassed(keras.Model):
    """No configuration, a loss of its own, a frozen layer and a penalty on what it computes."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale  # an array: Keras cannot make a configuration of it
        self.hidden = layers.Dense(4, activation="relu", trainable=False)
        self.out = layers.Dense(2)

    def call(self, x, training=False):
        h = self.hidden(x * keras.ops.convert_to_tensor(self.scale, x.dtype))
        self.add_loss(0.01 * keras.ops.sum(h**2))
        return self.out(h)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y = keras.ops.convert_to_tensor(y, y_pred.dtype)
        return keras.ops.mean(keras.ops.abs(y - y_pred) ** 3) + sum(self.losses)


def subclassed():
    model = Subclassed(np.array([1.0, 2.0, 3.0], "float32"))
    model.compile("sgd", "mse")
    return model, draw(4, 3), draw(4, 2, seed=1)


def own_parts():
    """This package's penalties, which exist only while a gradient is recorded, and its layers."""
    model = keras.Sequential(
        [
            layers.Dense(4, kernel_regularizer=kd.regularizers.L2(0.1)),
            kd.layers.BatchNormalization(),
            kd.layers.DropoutPenalty(layers.Dense(3, activation="tanh"), rate=0.3, strength=0.1),
        ]
    )
    model.compile("sgd", "mse")
    return model, draw(6, 3), draw(6, 3, seed=1)


def sequential_twice_in_a_model():
    """A Sequential casts its input to the dtype of its input layer."""
    shared = keras.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(3)])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)))
    model.compile("sgd", "mse")
    return model, draw(4, 3), draw(4, 3, seed=1)


NETWORKS = [
    own_parts,
    sequential_twice_in_a_model,
    lstm,
    attention_block,
    convolutional,
    mixed_precision,
    shared_and_nested,
    subclassed,
]


def snapshot(model):
    """Everything that the check must leave as it is."""
    layers_of_model = model._flatten_layers()
    return (
        [v.numpy().copy() for v in model.variables],
        [v.numpy().copy() for v in model.optimizer.variables],
        [v.numpy().copy() for v in model.metrics_variables],
        [v.dtype for v in model.variables],
        [(layer.dtype_policy.name, layer.dtype_policy) for layer in layers_of_model],
        [m.name for m in model.metrics],
        model.train_function,
        keras.config.floatx(),
        np.random.get_state()[1].tolist(),
    )


def assert_same(before, after):
    for kind in range(3):
        for old, new in zip(before[kind], after[kind], strict=True):
            np.testing.assert_array_equal(old, new)
    assert before[3:] == after[3:]


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_network_passes_and_is_left_as_it_was(make):
    model, *data = make()
    model.train_on_batch(*data)
    before = snapshot(model)
    report = kd.check_gradients(model, *data)
    assert report.passed, report
    assert not report.inconclusive, report
    assert report.precision == "float64"
    assert not report.notes, report
    assert_same(before, snapshot(model))
    checked = {row.path for row in report.rows if row.part == "loss"}
    assert checked == {v.path for v in model.trainable_variables}
    if make is convolutional:
        penalties = [r for r in report.rows if r.part == "penalty" and r.numeric != 0.0]
        assert [row.path for row in penalties] == [model.layers[0].kernel.path]
    if make is subclassed:
        assert set(report.skipped) == {v.path for v in model.hidden.weights}


def test_modes_of_batch_normalization_are_told_apart():
    model, *data = convolutional()
    model.train_on_batch(*data)
    reports = [kd.check_gradients(model, *data, training=mode) for mode in (True, False)]
    assert all(report.passed for report in reports)
    assert reports[0].rows[0].numeric != reports[1].rows[0].numeric
