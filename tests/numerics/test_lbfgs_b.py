import numpy as np
import pytest
from keras import ops
from references import lbfgs_b_reference

from keras_dlnotes.numerics import box, lbfgs_b

M, N = 4, 9
EPSILON = float(np.finfo("float64").eps)


def tensor(array):
    return ops.convert_to_tensor(array, dtype="float64")


def in_box(rng, kind):
    """Bounds and a point between them, some components at a bound."""
    low, high = -rng.uniform(0.1, 2.0, N), rng.uniform(0.1, 2.0, N)
    if kind == "some":
        low[::2], high[::3] = -np.inf, np.inf
    elif kind == "none":
        low[:], high[:] = -np.inf, np.inf
    elif kind == "tight":
        low, high = 1e-3 * low, 1e-3 * high
    point = np.clip(rng.normal(size=N) * 0.3, low, high)
    point[1:3] = np.where(np.isfinite(low[1:3]), low[1:3], point[1:3])
    return low, high, point


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["all", "some", "none", "tight"])
@pytest.mark.parametrize("count", [1, 3, 4, 6, 11])
def test_direction_is_the_references(count, kind):
    rng = np.random.default_rng([count, len(kind)])
    matrix = np.diag(np.linspace(1.0, 9.0, N)) + 0.1 * np.ones((N, N))
    steps = [rng.normal(size=N) for _ in range(count)]
    changes = [matrix @ s + 0.1 * np.sin(s) for s in steps]
    # Rows never written hold numbers that must not matter.
    history, rows = np.full((2 * M, N), 7.0), np.full((2, M, N), np.nan)
    for k, (s, y) in enumerate(zip(steps, changes, strict=True)):
        history[k % M], history[k % M + M] = s, y
        rows[:, k % M] = s, y
    grams = [np.nan_to_num(rows[0] @ rows[i].T, nan=5.0) for i in (0, 1)]
    s, y = steps[-1], changes[-1]
    model = lbfgs_b.curvature(
        tensor(history),
        *map(tensor, grams),
        tensor((y @ y) / (s @ y)),
        ops.convert_to_tensor(count, dtype="int32"),
        M,
    )
    hessian = lbfgs_b_reference.dense_hessian(steps[-M:], changes[-M:])
    ends = set()
    for scale in (0.01, 1.0, 30.0):
        low, high, point = in_box(rng, kind)
        gradient = scale * rng.normal(size=N)
        gradient[4] = 0.0
        bounds = box.BoxBounds(tensor(low), tensor(high))
        given = bounds, tensor(point), tensor(gradient), model
        cauchy = ops.convert_to_numpy(lbfgs_b.cauchy_point(*given, EPSILON))
        expected = lbfgs_b_reference.cauchy_point(point, gradient, low, high, hessian)
        assert np.max(np.abs(cauchy - expected)) <= 1e-10 * (1.0 + np.max(np.abs(expected)))
        ends.add(int(np.sum((cauchy == low) | (cauchy == high))))
        way = ops.convert_to_numpy(lbfgs_b.direction(*given, EPSILON))
        assert way.dtype == "float64"
        expected = lbfgs_b_reference.direction(point, gradient, low, high, hessian)
        assert np.max(np.abs(way - expected)) <= 1e-10 * (1.0 + np.max(np.abs(expected)))
        assert way @ gradient < 0.0
    assert len(ends) > 1 or kind in ("none", "tight")


@pytest.mark.usefixtures("float64")
def test_a_trial_point_is_never_outside_and_meets_the_bound():
    low, high = tensor([0.1, -np.inf, 0.0]), tensor([np.inf, 0.3, 0.0])
    bounds = box.BoxBounds(low, high)
    point, direction = tensor([1e10, -0.7, 0.0]), tensor([0.1 - 1e10, 1.0, 0.0])
    assert float(box.longest_step(bounds, point, direction, 1e10)) == pytest.approx(1.0)
    trial = ops.convert_to_numpy(box.point_along(bounds, point, tensor(1.0), direction, EPSILON))
    assert trial.tolist() == [0.1, 0.3, 0.0]
    free = box.longest_step(bounds, point, tensor([1.0, -1.0, 0.0]), 1e10)
    assert float(free) == 1e10


@pytest.mark.usefixtures("float64")
def test_gradient_at_bounds():
    bounds = box.BoxBounds(tensor([0.0, 0.0, 0.0, 0.0]), tensor([1.0, 1.0, 1.0, 1.0]))
    point, gradient = tensor([0.0, 0.0, 1.0, 0.5]), tensor([2.0, -3.0, -4.0, 0.0])
    assert ops.convert_to_numpy(box.descent(bounds, point, gradient)).tolist() == [0, 3, 0, 0]
    direction, slope = box.steepest(bounds, point, gradient, tensor(0.75))
    # Half as long as the box is wide: 2 |L| / |g|.
    assert ops.convert_to_numpy(direction).tolist() == [0.0, 0.5, 0.0, 0.0]
    assert float(slope) == -1.5
    direction, slope = box.steepest(bounds, point, gradient, tensor(75.0))
    assert ops.convert_to_numpy(direction).tolist() == [0.0, 1.0, 0.0, 0.0]
    assert float(slope) == -3.0
