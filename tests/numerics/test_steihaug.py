import numpy as np
import pytest
from keras import ops

from keras_dlnotes.numerics import steihaug


def tensor(values):
    return ops.convert_to_tensor(values, dtype="float64")


def run(h, g, radius, tolerance=1e-12, most=20):
    state = steihaug.start(tensor(g))
    for count in range(1, most + 1):  # noqa: B007 - it is returned
        product = tensor(h @ ops.convert_to_numpy(state.direction))
        state, final = steihaug.advance(state, product, tensor(radius), tensor(tolerance))
        if bool(final):
            break
    z = ops.convert_to_numpy(state.iterate)
    model = -(g @ z + 0.5 * z @ h @ z)
    assert float(steihaug.reduction(state, tensor(g))) == pytest.approx(model, rel=1e-8)
    assert np.allclose(ops.convert_to_numpy(state.residual), g + h @ z, atol=1e-8)
    return z, count


@pytest.mark.usefixtures("float64")
def test_solves_a_positive_definite_system_in_n_products():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    h, g = root @ root.T + np.eye(5), rng.normal(size=5)
    z, count = run(h, g, 1e6, tolerance=1e-9)
    assert count <= 6
    assert np.allclose(z, -np.linalg.solve(h, g), atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_stops_at_the_edge_and_lowers_the_model_at_least_as_the_cauchy_point():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    h, g = root @ root.T + 0.01 * np.eye(5), rng.normal(size=5)
    z, _ = run(h, g, 0.3)
    assert np.linalg.norm(z) == pytest.approx(0.3, rel=1e-10)
    cauchy = -0.3 * g / np.linalg.norm(g)
    shorter = min(1.0, np.linalg.norm(g) ** 3 / (0.3 * g @ h @ g))
    cauchy = shorter * cauchy
    assert g @ z + 0.5 * z @ h @ z <= g @ cauchy + 0.5 * cauchy @ h @ cauchy + 1e-12


@pytest.mark.usefixtures("float64")
def test_follows_negative_curvature_to_the_edge():
    z, count = run(np.diag([-1.0, 1.0]), np.array([1.0, 0.1]), 5.0)
    assert count == 1
    assert np.linalg.norm(z) == pytest.approx(5.0, rel=1e-10)
    assert z[0] < -4.9
