"""Batch statistics, running averages and merged moments against plain NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.numerics import batch_statistics as statistics
from tests.references import batch_normalization_reference as reference

SHAPES = {"dense": (13, 4), "sequence": (9, 5, 3), "image": (7, 3, 2, 4)}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("size", [None, 1, 4, 100])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_statistics_of_a_batch(kind, masked, size, unbiased):
    rng = np.random.default_rng(0)
    inputs = rng.normal(50, 3, SHAPES[kind])
    mask = rng.uniform(size=inputs.shape[:-1]) < 0.6 if masked else None
    if masked:
        mask[-1] = False  # an example, and with size=1 a ghost batch, with nothing in it
    expected, mean, variance, weight = reference.normalized(inputs, mask, size, 1e-3, unbiased)
    batch = statistics.batch_statistics(
        ops.convert_to_tensor(inputs),
        inputs.ndim - 1,
        None if mask is None else ops.convert_to_tensor(mask[..., None]),
        size,
        unbiased,
    )
    outputs = statistics.normalize(batch.centred, batch.variance, 1e-3)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ops.convert_to_numpy(batch.batch_mean), mean, rtol=1e-12)
    np.testing.assert_allclose(
        ops.convert_to_numpy(batch.batch_variance), variance, rtol=1e-10, atol=1e-10
    )
    assert float(batch.weight) == weight


def test_a_large_mean_costs_no_digits_and_masked_values_may_be_anything():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1000, 2)).astype("float32")
    inputs = (noise + 4096).astype("float32")
    batch = statistics.batch_statistics(ops.convert_to_tensor(inputs), 1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(batch.batch_variance), inputs.astype("float64").var(0), rtol=1e-4
    )
    inputs[::2] = np.nan
    batch = statistics.batch_statistics(
        ops.convert_to_tensor(inputs), 1, ops.convert_to_tensor((np.arange(1000) % 2 == 1)[:, None])
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(batch.batch_mean), inputs[1::2].astype("float64").mean(0), rtol=1e-6
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_channels_at_another_axis(axis):
    inputs = np.random.default_rng(0).normal(size=(6, 3, 4, 5)).astype("float32")
    batch = statistics.batch_statistics(ops.convert_to_tensor(inputs), axis, ghost_batch_size=3)
    moved = np.moveaxis(inputs, axis, -1).astype("float64")
    expected = np.moveaxis(reference.normalized(moved, size=3)[0], -1, axis)
    outputs = statistics.normalize(batch.centred, batch.variance, 1e-3)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), expected, atol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("weights", [[8] * 6, [0, 8, 8, 3, 0, 1]])
@pytest.mark.parametrize("momentum", [None, 0.0, 0.9])
def test_running_average_never_counts_its_start(momentum, weights):
    dtype = keras.config.floatx()
    values = np.random.default_rng(0).normal(size=(6, 3))
    average, total = ops.full((3,), 1e9, dtype=dtype), ops.zeros((), dtype=dtype)
    for step, weight in enumerate(weights, start=1):
        [average], total = statistics.running_average(
            [average],
            [ops.convert_to_tensor(values[step - 1])],
            total,
            ops.cast(weight, dtype),
            momentum,
        )
        if any(weights[:step]):
            expected = reference.weighted_average(values[:step], weights[:step], momentum)
            np.testing.assert_allclose(ops.convert_to_numpy(average), expected, rtol=1e-12)
        else:
            np.testing.assert_array_equal(ops.convert_to_numpy(average), 1e9)


def test_merged_moments_are_those_of_all_values():
    values = np.random.default_rng(0).normal(3, 2, size=(50, 4))
    values[:20] += 10
    merged = (0, np.zeros(4), np.zeros(4))
    for chosen in np.split(values, [20, 20, 21, 44]):
        moments = (len(chosen), chosen.mean(0), chosen.var(0)) if len(chosen) else (0, 0.0, 0.0)
        merged = statistics.merged_moments(merged, moments)
    assert merged[0] == 50
    np.testing.assert_allclose(merged[1], values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged[2], values.var(0), rtol=1e-12)
