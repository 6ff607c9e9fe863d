"""Derivatives along lines against their plain twins, at smooth points, kinks and in noise."""

import numpy as np
import pytest

from keras_dlnotes.numerics.central_differences import (
    NOISE_POINTS,
    RATIO,
    derivatives,
    noise_level,
    random_direction,
    step_sizes,
)
from tests.references import gradient_check_reference as reference

EPS = 2.0**-52


def measure(function, noise=1e-16, count=5):
    steps = step_sizes(EPS, count)
    values = np.array([[function(h) for h in steps]]), np.array([[function(-h) for h in steps]])
    return derivatives(steps, *values, function(0.0), noise)


def test_step_sizes_surround_the_balance_of_truncation_and_noise():
    steps = step_sizes(EPS)
    np.testing.assert_allclose(steps, EPS ** (1 / 3) * np.array([100, 10, 1, 0.1, 0.01]))


@pytest.mark.parametrize("seed", range(5))
def test_two_steps_agree_with_the_formula(seed):
    rng = np.random.default_rng(seed)
    coefficients = rng.normal(size=5)
    function = np.polynomial.Polynomial(coefficients)
    steps = np.array([0.1, 0.01])
    plus, minus = function(steps)[None], function(-steps)[None]
    found = derivatives(steps, plus, minus, function(0.0), 0.0)
    value, error = reference.richardson(function, 0.1, RATIO)
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.error, error, rtol=1e-12)
    np.testing.assert_allclose(found.kink, reference.kink(function, 0.1, RATIO), rtol=1e-10)


@pytest.mark.parametrize(
    ("function", "slope"),
    [(np.exp, 1.0), (lambda t: np.sin(300.0 * t), 300.0), (lambda t: 5.0 + t**3, 0.0)],
)
def test_the_error_estimate_covers_the_error(function, slope):
    found = measure(function, noise=1e-15)
    assert abs(found.value[0] - slope) <= found.error[0]
    assert found.error[0] < 1e-6 * max(slope, 1.0)
    assert found.kink[0] <= found.error[0]


@pytest.mark.parametrize("distance", [1e-3, 3e-5, 2e-6, 2e-7])
def test_shorter_steps_escape_a_kink_nearby(distance):
    found = measure(lambda t: np.cos(t) + 2.0 * t + max(0.0, t - distance))
    assert abs(found.value[0] - 2.0) <= found.error[0] + 1e-9


@pytest.mark.parametrize("distance", [0.0, 1e-12])
def test_a_kink_at_the_point_is_measured(distance):
    found = measure(lambda t: np.sin(2.0 * t) + max(0.0, t - distance))
    np.testing.assert_allclose(found.kink, 1.0, rtol=1e-3)


def test_nothing_is_known_where_the_function_is_not_finite():
    found = measure(lambda t: np.nan)
    assert np.isnan(found.value[0])
    assert found.error[0] == np.inf


def test_noise_level_is_that_of_the_formula_and_ignores_what_is_smooth():
    rng = np.random.default_rng(0)
    noise = 1e-12 * rng.normal(size=len(NOISE_POINTS))
    np.testing.assert_allclose(noise_level(noise), reference.noise_level(noise), rtol=1e-12)
    smooth = np.exp(1e-7 * NOISE_POINTS)
    assert 2e-13 < noise_level(smooth + noise) < 3e-12


def test_directions_move_every_coordinate_and_are_reproducible():
    direction = random_direction(2000, seed=3)
    assert (np.abs(direction) >= 0.5).all()
    assert (np.abs(direction) <= 1.5).all()
    np.testing.assert_array_equal(direction, random_direction(2000, seed=3))
