"""Converged by default means: at a minimum, however far away it began, whatever the scales are."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes.optimizers import BFGS, LBFGS

METHODS = {
    "lbfgs": LBFGS,
    "lbfgs between bounds": lambda: LBFGS(bounds=(-1e9, 1e9)),
    "bfgs": BFGS,
    "ssbfgs": lambda: BFGS("ssbfgs"),
    "ssbroyden": lambda: BFGS("ssbroyden"),
}
pytestmark = [
    pytest.mark.usefixtures("float64"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]


def minimise(make, loss_and_gradient, start, most=600):
    """Where the optimizer ends by itself, how often it evaluated, and its status."""
    optimizer = make()
    weights = keras.Variable(np.asarray(start, "float64"), dtype="float64")
    optimizer.build([weights])
    for _ in range(most):
        loss, gradient = loss_and_gradient(ops.convert_to_numpy(weights))
        optimizer.scale_loss(ops.convert_to_tensor(loss, "float64"))
        optimizer.apply([ops.convert_to_tensor(gradient, "float64")], [weights])
        if optimizer.status != "searching":
            break
    optimizer.finalize_variable_values([weights])
    return ops.convert_to_numpy(weights), optimizer.progress["evaluations"], optimizer.status


def growth(weights):
    """A mean square of a (1 - exp(-b x)) against that of a = 240, b = 5.5e-4, with its gradient."""
    x = np.linspace(80.0, 760.0, 14)
    a, b = weights
    rest = np.exp(-b * x)
    residual = a * (1.0 - rest) - 240.0 * (1.0 - np.exp(-5.5e-4 * x)) - 0.1 * np.cos(x)
    jacobian = np.stack([1.0 - rest, a * x * rest])
    return np.mean(residual**2), 2.0 * jacobian @ residual / len(x)


@pytest.mark.parametrize("start", [(500.0, 1e-4), (250.0, 5e-4)])
@pytest.mark.parametrize("name", METHODS)
def test_weights_of_scales_far_apart(name, start):
    # The curvature along b is 1e11 times that along a: all first steps change b alone.
    last, _, _ = minimise(METHODS[name], growth, start)
    loss, gradient = growth(last)
    assert loss <= 0.0051
    assert np.max(np.abs(last * gradient)) <= 1e-4 * loss


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("name", METHODS)
def test_a_start_at_a_huge_loss(name, scale):
    # From 1e28 down: at a millionth of a millionth of that it is still far from the minimum. The
    # end is as near as a step of 6e-6 of the weights' first size.
    def power(weights):
        inner = weights**8 - 1.0
        return scale * np.sum(inner**2), scale * 16.0 * inner * weights**7

    last, _, status = minimise(METHODS[name], power, [60.0, 50.0, 40.0])
    assert status == "converged"
    assert np.max(np.abs(np.abs(last) - 1.0)) <= 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_at_a_singular_hessian_it_ends(name):
    def powell(w):
        a, b, c, d = w[0] + 10.0 * w[1], w[2] - w[3], w[1] - 2.0 * w[2], w[0] - w[3]
        loss = a**2 + 5.0 * b**2 + c**4 + 10.0 * d**4
        gradient = [
            2.0 * a + 40.0 * d**3,
            20.0 * a + 4.0 * c**3,
            10.0 * b - 8.0 * c**3,
            -10.0 * b - 40.0 * d**3,
        ]
        return loss, np.array(gradient)

    last, evaluations, status = minimise(METHODS[name], powell, [3.0, -1.0, 0.0, 1.0])
    assert status == "converged"
    assert evaluations <= 120
    assert powell(last)[0] <= 1e-14


@pytest.mark.parametrize("name", METHODS)
def test_a_steep_minimum_costs_little(name):
    # The curvature in the weights' own unit is 1e12 times the loss: the promise is not trusted at
    # first, and a search in another direction finds nothing.
    def steep(w):
        inner = np.array([1.0, 3.0]) * (w - 1.0)
        return 1.0 + 1e12 * np.sum(inner**2), 2e12 * np.array([1.0, 3.0]) * inner

    last, evaluations, status = minimise(METHODS[name], steep, [1.5, 0.5])
    assert status in ("converged", "line search failed")
    assert evaluations <= 60
    assert np.max(np.abs(last - 1.0)) <= 1e-9
