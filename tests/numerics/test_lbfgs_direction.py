import numpy as np
import pytest
from keras import ops
from references.quasi_newton_reference import dense_inverse_hessian, two_loop_direction

from keras_dlnotes.numerics import lbfgs_direction

M, N = 4, 9


def stored_pairs(count):
    rng = np.random.default_rng(3)
    curvature = np.diag(np.linspace(1.0, 9.0, N))
    steps = [rng.normal(size=N) for _ in range(count)]
    return steps, [curvature @ s + 0.1 * np.sin(s) for s in steps]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 8, 11])
def test_direction_is_the_two_loop_recursions(count):
    steps, changes = stored_pairs(count)
    gradient = np.random.default_rng(4).normal(size=N)
    # Rows as the ring leaves them; rows never written hold numbers that must not matter.
    history = np.full((2 * M, N), 7.0)
    steps_changes, changes_changes = np.full((M, M), 5.0), np.full((M, M), 3.0)
    tensor = lambda a: ops.convert_to_tensor(a, dtype="float64")  # noqa: E731
    for k, (s, y) in enumerate(zip(steps, changes, strict=True)):
        slot = k % M
        history[slot], history[slot + M] = s, y
        with_s, with_y = lbfgs_direction.products(tensor(history), M, tensor(y))
        index = ops.convert_to_tensor(slot, dtype="int32")
        steps_changes = lbfgs_direction.gram_column(tensor(steps_changes), index, with_s)
        changes_changes = lbfgs_direction.gram_cross(tensor(changes_changes), index, with_y)
    s, y = steps[-1], changes[-1]
    direction = lbfgs_direction.direction(
        tensor(history),
        steps_changes,
        changes_changes,
        tensor(gradient),
        tensor((s @ y) / (y @ y)),
        ops.convert_to_tensor(count, dtype="int32"),
        M,
    )
    kept = steps[-M:], changes[-M:]
    expected = two_loop_direction(gradient, *kept)
    assert np.allclose(expected, -dense_inverse_hessian(*kept) @ gradient, rtol=1e-10)
    direction = ops.convert_to_numpy(direction)
    assert direction.dtype == "float64"
    assert np.max(np.abs(direction - expected)) <= 1e-12 * np.max(np.abs(expected))
