import numpy as np
import pytest
from keras import ops

from keras_dlnotes.measures import (
    ACTIVATION_STATISTICS,
    BINS,
    GRADIENT_STATISTICS,
    SATURATION,
    TensorReductions,
    histogram,
    norm,
    saturated_fraction,
)
from tests.references.monitored_network import statistics

RANDOM = np.random.default_rng(1)
TENSORS = {
    "matrix": RANDOM.normal(size=(128, 256)),
    "odd shape": RANDOM.normal(size=(7, 3, 5, 11)),
    "vector": RANDOM.normal(size=(13,)),
    "one number": np.array([3.0]),
    "scalar": np.array(2.5),
    "far from zero": 1000.0 + RANDOM.normal(size=(100, 100)),
    "constant": np.full((70, 70), 0.3),
    "after a ReLU": np.maximum(RANDOM.normal(size=(64, 100)), 0.0),
    "tiny": 1e-12 * RANDOM.normal(size=(70, 70)),
}


@pytest.mark.parametrize("names", [*([name] for name in TENSORS), list(TENSORS) * 2], ids=str)
def test_statistics_equal_numpy(names):
    arrays = [TENSORS[name].astype("float32") for name in names]
    for table in (ACTIVATION_STATISTICS, GRADIENT_STATISTICS):
        reductions = TensorReductions([ops.convert_to_tensor(x) for x in arrays])
        for statistic, function in table.items():
            numbers = ops.convert_to_numpy(function(reductions))
            for number, x, name in zip(numbers, arrays, names, strict=True):
                expected = statistics(x.astype("float64"))[statistic]
                # A spread is known to float32's rounding of the numbers it is the spread of.
                rounding = 2e-6 * np.abs(x).max() if statistic == "standard_deviation" else 0.0
                np.testing.assert_allclose(
                    number,
                    expected,
                    rtol=2e-5,
                    atol=rounding + 1e-12,
                    err_msg=f"{name} {statistic}",
                )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_summed_in_float32(dtype):
    reductions = TensorReductions(
        [ops.full((300, 300), 1.5, dtype=dtype), ops.ones((3,), dtype="float32")]
    )
    assert ops.convert_to_numpy(norm(reductions)).tolist() == pytest.approx([1.5 * 300, 3**0.5])
    assert ops.convert_to_numpy(reductions.means).tolist() == [1.5, 1.0]


def test_norm_is_the_same_before_and_after_the_moments():
    x = ops.convert_to_tensor(TENSORS["matrix"].astype("float32"))
    alone, shared = TensorReductions([x]), TensorReductions([x])
    assert shared.means is not None
    assert float(norm(alone)[0]) == pytest.approx(float(norm(shared)[0]), rel=1e-6)


def test_non_finite_elements_are_counted_each_tensor_apart():
    bad = np.ones((50, 60), dtype="float32")
    bad[3, 4], bad[5, 6], bad[7, 8] = np.nan, np.inf, -np.inf
    good = np.ones((50, 60), dtype="float32")
    reductions = TensorReductions([ops.convert_to_tensor(a) for a in (good, bad)])
    counts = ops.convert_to_numpy(ACTIVATION_STATISTICS["non_finite_count"](reductions))
    assert counts.tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("tanh", lambda z: 1 - np.tanh(z) ** 2),
        ("sigmoid", lambda z: 4 * np.exp(-z) / (1 + np.exp(-z)) ** 2),
        ("softsign", lambda z: 1 / (1 + np.abs(z)) ** 2),
    ],
)
def test_saturated_means_a_slope_below_5_percent(name, slope):
    function = {
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "softsign": lambda z: z / (1 + np.abs(z)),
    }[name]
    z = np.linspace(-8, 8, 4001)
    center, radius = SATURATION[name]
    values = ops.convert_to_tensor(function(z).astype("float32"))
    reductions = TensorReductions([ops.ones((3,)), values, values, ops.zeros((3,)), values])
    ranges = {4: (center, radius), 1: (center, radius), 2: (center, 10.0), 0: (0.5, 0.4)}
    far, share, none, same = ops.convert_to_numpy(saturated_fraction(reductions, ranges))
    assert (far, none) == (1, 0)
    assert share == same == pytest.approx((slope(z) < 0.05).mean(), abs=2e-3)
    assert 0 < share < 1


def test_zeros_among_numbers_that_are_not_finite():
    rows = np.array([[0.0, 1.0, -2.0, 0.0], [0.0, np.nan, 0.0, 3.0], [np.inf, -np.inf, 0.0, 1e-30]])
    reductions = TensorReductions([ops.convert_to_tensor(row.astype("float32")) for row in rows])
    np.testing.assert_array_equal(ops.convert_to_numpy(reductions.zeros), [2, 2, 1])


def test_histogram_equals_numpy():
    x = TENSORS["matrix"].astype("float32")
    row = ops.convert_to_numpy(histogram(ops.convert_to_tensor(x)))
    counts, _ = np.histogram(x, bins=BINS)
    assert row[0] == x.min()
    assert row[1] == x.max()
    assert row[2:].sum() == x.size
    # An element on the edge of a bin may fall to either side of it.
    assert np.abs(np.cumsum(row[2:]) - np.cumsum(counts)).max() <= 2


def test_histogram_of_a_constant_and_of_nan():
    row = ops.convert_to_numpy(histogram(ops.full((5,), 2.0)))
    assert row[:2].tolist() == [2.0, 2.0]
    assert row[2:].sum() == 5
    row = ops.convert_to_numpy(histogram(ops.convert_to_tensor([1.0, float("nan")])))
    assert not np.isfinite(row[:2]).all()
