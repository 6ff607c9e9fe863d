import numpy as np
import pytest
from keras import ops
from references import trust_region_reference

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import trust_region

EPS = np.finfo("float64").eps


def tensor(values):
    return ops.convert_to_tensor(values, dtype="float64")


def solve(h, g, radius):
    lam, q = np.linalg.eigh(h)
    radius = active.arrays.scalar(tensor(radius))
    step = trust_region.solve(tensor(lam), tensor(q.T @ g), radius, EPS)
    p = q @ ops.convert_to_numpy(step.coordinates)
    assert float(step.length) == pytest.approx(np.linalg.norm(p), rel=1e-12)
    assert float(step.reduction) == pytest.approx(-(g @ p + 0.5 * p @ h @ p), rel=1e-9)
    return p


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shift", [0.5, -3.0, -20.0])
def test_equals_the_reference_inside_and_at_the_edge(shift):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    h = root @ root.T + shift * np.eye(6)
    g = rng.normal(size=6)
    for radius in (1e-3, 0.1, 1.0, 50.0):
        p, expected = solve(h, g, radius), trust_region_reference.solve(h, g, radius)
        assert np.max(np.abs(p - expected)) <= 1e-10 * max(1.0, np.max(np.abs(expected)))


@pytest.mark.usefixtures("float64")
def test_the_hard_case_goes_along_negative_curvature_to_the_edge():
    h = np.diag([-1.0, 2.0, 3.0])
    for g in (np.zeros(3), np.array([0.0, 1.0, -1.0])):
        p = solve(h, g, 2.0)
        assert np.linalg.norm(p) == pytest.approx(2.0, rel=1e-6)
        assert abs(p[0]) > 1.8
        assert g @ p + 0.5 * p @ h @ p < -1.5


@pytest.mark.usefixtures("float64")
def test_a_singular_hessian_takes_no_step_where_there_is_nothing_to_gain():
    p = solve(np.diag([0.0, 1.0]), np.array([0.0, 1.0]), 10.0)
    assert np.allclose(p, [0.0, -1.0], atol=1e-10)


def test_the_radius_follows_the_ratio():
    radius = lambda length, ratio: float(  # noqa: E731
        trust_region.next_radius(
            *[ops.convert_to_tensor(v, dtype="float32") for v in (2.0, length, ratio)]
        )
    )
    assert radius(2.0, 0.9) == 4.0
    assert radius(1.0, 0.9) == 2.0
    assert radius(2.0, 0.5) == 2.0
    assert radius(1.0, 0.1) == 0.25
    assert radius(1.0, float("nan")) == 0.25


@pytest.mark.parametrize("small", [1.0, 1e-3, 1e-7])
def test_the_decomposition_is_the_hessian_whatever_the_size_of_a_weight(small):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(8, 5)).astype("float32")
    size = np.array([1.0, 1.0, 1.0, 1.0, small**0.5], "float32")
    hessian = (root * size).T @ (root * size)
    epsilon = float(np.finfo("float32").eps)
    values, vectors = trust_region.decompose(ops.convert_to_tensor(hessian), epsilon)
    values, vectors = ops.convert_to_numpy(values), ops.convert_to_numpy(vectors).astype("float64")
    # M = D^-1 Q, so that M M^T = D^-2, a diagonal matrix, and M^T H M holds the eigenvalues.
    inverse_squares = vectors @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(inverse_squares))
    assert np.allclose(inverse_squares * np.outer(scale, scale), np.eye(5), atol=1e-5)
    assert np.allclose(scale[:4], 1.0, atol=1e-5)
    assert (scale[4] < 0.2) == (small == 1e-7)
    assert np.allclose(vectors.T @ hessian @ vectors, np.diag(values), atol=1e-4 * values[-1])
    # The Newton step to a known minimiser: no digit of the smallest weight is lost.
    known = 1.0 / size
    step = vectors @ ((vectors.T @ (hessian.astype("float64") @ known)) / values)
    assert np.allclose(step * size, 1.0, atol=2e-3)
