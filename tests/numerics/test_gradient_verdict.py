"""The verdict on a derivative against its definition, and its limits."""

import numpy as np

from keras_dlnotes.numerics.gradient_verdict import relative_error, tolerance, verdicts
from tests.references import gradient_check_reference as reference

EPS = 2.0**-52


def test_verdicts_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    n = 10.0 ** rng.uniform(-12, 2, 400) * rng.choice([-1, 0, 1], 400)
    error = 10.0 ** rng.uniform(-14, 0, 400)
    a = n + error * 10.0 ** rng.uniform(-2, 3, 400) * rng.choice([-1, 0, 1], 400)
    kink = np.where(rng.uniform(size=400) < 0.3, 10.0 ** rng.uniform(-3, 1, 400), 0.0)
    a[0], error[1] = np.nan, np.inf
    found = verdicts(a, n, error, kink, EPS, 1e-3)
    expected = [
        reference.verdict(*numbers, EPS, 1e-3) for numbers in zip(a, n, error, kink, strict=True)
    ]
    assert found.tolist() == expected
    assert set(expected) == {"passed", "failed", "inconclusive"}


def test_both_zero_passes_and_noise_around_zero_too():
    a, n = np.array([0.0, 1e-18, 0.0]), np.array([0.0, 1e-12, 1e-3])
    found = verdicts(a, n, np.full(3, 1e-11), np.zeros(3), EPS, 1.0)
    assert found.tolist() == ["passed", "passed", "failed"]


def test_a_kink_excuses_what_lies_between_the_one_sided_slopes_and_no_more():
    a = np.array([0.0, 1.0, 2.0])  # slopes 0 on the left and 1 on the right
    found = verdicts(a, np.full(3, 0.5), np.full(3, 1e-9), np.full(3, 1.0), EPS, 1.0)
    assert found.tolist() == ["inconclusive", "inconclusive", "failed"]


def test_tolerance_and_relative_error():
    np.testing.assert_allclose(tolerance(1.0, 2.0, 1e-3, EPS), 3e-3 + 2.0 * 2.0**-22, rtol=1e-12)
    found = relative_error(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    np.testing.assert_array_equal(found, [0.5, 0.0])
