"""Arrays without elements: what Keras gives for them, or an error that says what is expected."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from keras_dlnotes.measures import (
    ACTIVATION_STATISTICS,
    GRADIENT_STATISTICS,
    TensorReductions,
    histogram,
)
from keras_dlnotes.summaries import MemoryWriter

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
EMPTY = np.zeros((0, 3), "float32")


class WithNothing(layers.Dense):
    """A variable without elements beside those of a dense layer."""

    def build(self, input_shape):
        super().build(input_shape)
        self.nothing = self.add_weight((0, 3), name="nothing")

    def call(self, x):
        return super().call(x) + ops.sum(self.nothing)


def network(optimizer="sgd"):
    model = keras.Sequential([keras.Input((3,)), WithNothing(2)])
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize("name", ["GradientDescent", "Adam", "RMSProp", "LBFGS", "BFGS", "Newton"])
def test_optimizers_train_beside_a_variable_without_elements(name):
    model = network(getattr(kd.optimizers, name)())
    callbacks = []
    if name == "Newton" and keras.backend.backend() == "jax":
        callbacks = [kd.callbacks.SecondDerivatives()]
    fit = {"batch_size": 8, "epochs": 12, "verbose": 0, "callbacks": callbacks}
    losses = model.fit(X, X[:, :2], **fit).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["Momentum", "Adam", "LBFGS", "BFGS"])
def test_optimizers_of_nothing_but_such_variables(name):
    optimizer = getattr(kd.optimizers, name)()
    variable = keras.Variable(EMPTY)
    optimizer.build([variable])
    for _ in range(2):
        optimizer.apply([ops.zeros((0, 3))], [variable])
    assert variable.shape == (0, 3)


def test_regularizers_and_initializers():
    penalties = (kd.regularizers.L1(0.1), kd.regularizers.L2(0.1), kd.regularizers.L1L2(0.1, 0.1))
    for regularizer in penalties:
        assert float(regularizer.penalty(ops.zeros((0, 3)))) == 0.0
    initializers = (kd.initializers.He(), kd.initializers.Xavier(), kd.initializers.SmallRandom())
    for initializer in initializers:
        for shape in ((0, 3), (3, 0), (0,)):
            assert tuple(initializer(shape).shape) == shape
    model = keras.Sequential([keras.Input((0,)), layers.Dense(2, kernel_regularizer=penalties[0])])
    kd.initializers.initialize(model, initializers[0])
    assert set(kd.regularizers.penalties_by_layer(model).values()) == {0.0}


@pytest.mark.parametrize("ghost", [None, 2])
def test_an_empty_batch_leaves_running_statistics_as_they_are(ghost):
    """Keras's own layer makes them NaN."""
    layer = kd.layers.BatchNormalization(ghost_batch_size=ghost)
    layer(X, training=True)
    before = [w.copy() for w in layer.get_weights()[:4]]
    assert tuple(layer(EMPTY, training=True).shape) == (0, 3)
    for old, new in zip(before, layer.get_weights(), strict=False):
        np.testing.assert_allclose(new, old)
    sequences = kd.layers.BatchNormalization(ghost_batch_size=ghost)
    assert tuple(sequences(np.zeros((2, 0, 3), "float32"), training=True).shape) == (2, 0, 3)


def test_dropout_penalty_of_an_empty_batch():
    layer = kd.layers.DropoutPenalty(layers.Dense(4), rate=0.5, strength=0.1)
    assert tuple(layer(EMPTY, training=True).shape) == (0, 4)
    assert [float(ops.stop_gradient(loss)) for loss in layer.losses] == [0.0]


def test_statistics_of_nothing_and_of_something():
    reductions = TensorReductions([ops.zeros((0, 3)), ops.ones((4,))])
    for name, statistic in {**ACTIVATION_STATISTICS, **GRADIENT_STATISTICS}.items():
        nothing, something = ops.convert_to_numpy(statistic(reductions))
        assert np.isfinite(something)
        assert nothing == 0.0 if name in ("norm", "non_finite_count") else np.isnan(nothing)
    counts = ops.convert_to_numpy(histogram(ops.zeros((0, 3))))
    assert np.isnan(counts[:2]).all()
    assert not counts[2:].any()


def test_monitor_leaves_out_what_has_no_elements():
    writer = MemoryWriter()
    monitor = kd.callbacks.TrainingMonitor(writer=writer, every=1, histograms_every=1)
    model = network()
    model.fit(X, X[:, :2], verbose=0, callbacks=[monitor])
    assert any("kernel" in tag for tag in writer.scalars)
    assert not any("/nothing/" in tag for tag in writer.scalars)
