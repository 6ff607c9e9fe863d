import numpy as np
import pytest
from keras import ops
from references.quasi_newton_reference import dense_inverse_hessian, published_update

from keras_dlnotes.numerics import inverse_hessian

N = 7


def tensor(values):
    return ops.convert_to_tensor(values, dtype="float64")


def situation(seed, stretch):
    """An H, a gradient, a step along -H g and a gradient change whose b and h vary with stretch."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(N, N))
    h = root @ root.T + np.eye(N)
    g = rng.normal(size=N)
    s = -0.7 * h @ g
    root = rng.normal(size=(N, N))
    return h, g, s, stretch * (root @ root.T + 0.1 * np.eye(N)) @ s


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", inverse_hessian.KINDS)
def test_equals_the_published_formula(kind):
    signs = set()
    for seed in range(8):
        for stretch in (1e-4, 1e-2, 0.1, 1.0, 30.0):
            h, g, s, y = situation(seed, stretch)
            expected, tau, phi = published_update(h, s, y, 0.7, g, kind)
            new = ops.convert_to_numpy(
                inverse_hessian.update(tensor(h), tensor(s), tensor(y), tensor(0.7 * s @ g), kind)
            )
            assert new.dtype == "float64"
            assert np.max(np.abs(new - expected)) <= 1e-12 * np.max(np.abs(expected))
            # Whatever tau and phi are, the secant equation H_new y = s holds.
            assert np.allclose(new @ y, s, rtol=1e-9, atol=1e-9 * np.max(np.abs(s)))
            signs.add((tau < 1.0, phi < 1.0))
    assert len(signs) == {"bfgs": 1, "ssbfgs": 2, "ssbroyden": len(signs)}[kind]


@pytest.mark.usefixtures("float64")
def test_bfgs_is_the_textbooks_product_form():
    _, _, s, y = situation(0, 1.0)
    start = (s @ y) / (y @ y) * inverse_hessian.identity_like(tensor(s))
    new = inverse_hessian.update(start, tensor(s), tensor(y), tensor(-1.0), "bfgs")
    expected = dense_inverse_hessian([s], [y])
    difference = np.max(np.abs(ops.convert_to_numpy(new) - expected))
    assert difference <= 1e-12 * np.max(np.abs(expected))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", inverse_hessian.KINDS)
def test_nothing_to_learn_leaves_a_finite_matrix(kind):
    # y = H^-1 s exactly: a = 0, where theta's formula divides 0 by 0.
    h, g, s, _ = situation(1, 1.0)
    y = np.linalg.solve(h, s)
    new = inverse_hessian.update(tensor(h), tensor(s), tensor(y), tensor(0.7 * s @ g), kind)
    assert np.allclose(ops.convert_to_numpy(new), h, rtol=1e-6)
