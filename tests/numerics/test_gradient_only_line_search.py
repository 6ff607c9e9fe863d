import numpy as np
import pytest
from keras import ops

from keras_dlnotes.numerics import gradient_only_line_search, more_thuente

SLOPES = {
    "quadratic": lambda a: 3.0 * (a - 1.0),
    "far": lambda a: a - 500.0,
    "near": lambda a: a - 1e-6,
    "quartic": lambda a: (a - 2.0) ** 3,
    "kink": lambda a: np.arctan(50.0 * (a - 3.0)),
    "exponential": lambda a: np.exp(a) - 2.0,
}


def search(slope, step, curvature):
    scalar = lambda a: ops.convert_to_tensor(a, dtype="float64")  # noqa: E731
    slope_0 = scalar(slope(0.0))
    bracket = more_thuente.start(scalar(0.0), slope_0, scalar(step), scalar(1e10))
    for count in range(1, 40):
        verdict = gradient_only_line_search.advance(
            bracket,
            scalar(step),
            scalar(slope(step)),
            slope_0=slope_0,
            sufficient_decrease=1e-4,
            curvature=curvature,
            tolerance=0.1,
        )
        if bool(verdict.accepted):
            return step, count
        assert not bool(verdict.stuck)
        bracket, step = verdict.bracket, float(verdict.step)
    raise AssertionError("no step accepted")


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", list(SLOPES))
@pytest.mark.parametrize("curvature", [0.9, 0.1])
def test_the_approximate_wolfe_conditions_hold_at_the_end(name, curvature):
    slope = SLOPES[name]
    for first in (1e-3, 1.0, 100.0):
        step, count = search(slope, first, curvature)
        assert curvature * slope(0.0) <= slope(step) <= (2e-4 - 1.0) * slope(0.0)
        assert count <= 25


@pytest.mark.usefixtures("float64")
def test_the_secant_finds_a_quadratics_minimiser_at_once():
    step, count = search(SLOPES["quadratic"], 0.3, curvature=1e-8)
    assert step == pytest.approx(1.0, rel=1e-12)
    assert count == 2
