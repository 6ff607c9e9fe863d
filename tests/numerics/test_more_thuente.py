"""The state machine takes MINPACK's steps: SciPy's BFGS, which searches by dcsrch, is the twin."""

import numpy as np
import pytest
from keras import ops
from scipy.optimize import minimize

from keras_dlnotes.numerics import more_thuente

C1, C2, XTOL = 1e-3, 0.1, 1e-14  # the last is SciPy's

# Moré and Thuente's own test functions (section 5), phi and phi'.
FUNCTIONS = {
    "5.1": lambda a: (-a / (a**2 + 2), (a**2 - 2) / (a**2 + 2) ** 2),
    "5.2": lambda a: (
        (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
        5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3,
    ),
    "wavy": lambda a: (0.1 * a**2 - a + 0.1 * np.sin(8 * a), 0.2 * a - 1 + 0.8 * np.cos(8 * a)),
    "5.4": lambda a: _yanai(a, 0.001, 0.001),
    "5.5": lambda a: _yanai(a, 0.01, 0.001),
    "5.6": lambda a: _yanai(a, 0.001, 0.01),
}


def _yanai(a, beta_1, beta_2):
    gamma = lambda b: np.sqrt(1 + b**2) - b  # noqa: E731
    first, second = np.hypot(1 - a, beta_2), np.hypot(a, beta_1)
    loss = gamma(beta_1) * first + gamma(beta_2) * second
    return loss, gamma(beta_1) * (a - 1) / first + gamma(beta_2) * a / second


def twin_steps(function, first):
    """The steps of SciPy's first line search, which the scale of the variable lets begin anywhere.

    BFGS begins with the step min(|g|, 1.01) against the gradient g, here `scale` times the slope.
    """
    slope_0 = abs(function(0.0)[1])
    scale = np.sqrt(first / slope_0)
    if scale * slope_0 > 1.01:
        scale = first / 1.01
    steps = []

    def scaled(x):
        step = scale * float(x[0])
        loss, slope = function(step)
        steps.append(step)
        return loss, np.array([scale * slope])

    options = {"maxiter": 1, "gtol": 0.0, "c1": C1, "c2": C2}
    minimize(scaled, np.zeros(1), jac=True, method="BFGS", options=options)
    assert steps[0] == 0.0
    return steps[1:]


def our_steps(function, step):
    scalar = lambda a: ops.convert_to_tensor(a, dtype="float64")  # noqa: E731
    loss_0, slope_0 = function(0.0)
    bracket = more_thuente.start(scalar(loss_0), scalar(slope_0), scalar(step), scalar(1e10))
    steps = []
    while len(steps) < 40:
        steps.append(step)
        loss, slope = function(step)
        verdict = more_thuente.advance(
            bracket,
            scalar(step),
            scalar(loss),
            scalar(slope),
            loss_0=scalar(loss_0),
            slope_0=scalar(slope_0),
            sufficient_decrease=C1,
            curvature=C2,
            tolerance=XTOL,
            noise=scalar(-np.inf),  # the approximate conditions never hold
        )
        if bool(verdict.accepted):
            break
        assert not bool(verdict.stuck)
        bracket, step = verdict.bracket, float(verdict.step)
    return steps


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_same_steps_as_minpack(name):
    for first in (1e-3, 1e-1, 1.0, 10.0, 1000.0):
        theirs = twin_steps(FUNCTIONS[name], first)
        assert theirs[0] == pytest.approx(first)
        ours = our_steps(FUNCTIONS[name], theirs[0])
        assert len(ours) == len(theirs)
        assert np.allclose(ours, theirs, rtol=1e-10, atol=0.0)


@pytest.mark.usefixtures("float64")
def test_a_retreat_never_returns_to_where_the_loss_was_not_finite():
    barrier = lambda a: (-a - 0.1 * np.log(1.0 - a), -1.0 + 0.1 / (1.0 - a))  # noqa: E731
    scalar = lambda a: ops.convert_to_tensor(a, dtype="float64")  # noqa: E731
    bracket = more_thuente.start(scalar(0.0), scalar(-0.9), scalar(8.0), scalar(1e10))
    step, bracket = more_thuente.retreat(bracket, scalar(8.0))
    assert float(step) == pytest.approx(0.8)
    for _ in range(20):
        assert float(step) <= 4.0
        if float(step) >= 1.0:
            step, bracket = more_thuente.retreat(bracket, step)
            continue
        loss, slope = barrier(float(step))
        verdict = more_thuente.advance(
            bracket,
            step,
            scalar(loss),
            scalar(slope),
            loss_0=scalar(0.0),
            slope_0=scalar(-0.9),
            sufficient_decrease=1e-4,
            curvature=0.1,
            tolerance=0.1,
            noise=scalar(0.0),
        )
        if bool(verdict.accepted):
            break
        step, bracket = verdict.step, verdict.bracket
    assert bool(verdict.accepted)
    assert float(step) == pytest.approx(0.9, abs=0.05)


@pytest.mark.usefixtures("float64")
def test_approximate_conditions_accept_where_the_loss_is_all_rounding():
    # phi(a) = 1 + 1e-17 ((a - 1)^2 - 1): every loss rounds to 1, only the slopes still tell.
    scalar = lambda a: ops.convert_to_tensor(a, dtype="float64")  # noqa: E731
    slope = lambda a: 2e-17 * (a - 1.0)  # noqa: E731

    def accepted(step, noise):
        bracket = more_thuente.start(scalar(1.0), scalar(slope(0.0)), scalar(step), scalar(1e10))
        return bool(
            more_thuente.advance(
                bracket,
                scalar(step),
                scalar(1.0 + 2e-16),
                scalar(slope(step)),
                loss_0=scalar(1.0),
                slope_0=scalar(slope(0.0)),
                sufficient_decrease=1e-4,
                curvature=0.9,
                tolerance=0.1,
                noise=scalar(noise),
            ).accepted
        )

    assert accepted(1.0, noise=1e-15)
    assert not accepted(1.0, noise=0.0)
    assert not accepted(2.5, noise=1e-15)  # far beyond the minimiser
    assert not accepted(0.05, noise=1e-15)  # hardly moved
