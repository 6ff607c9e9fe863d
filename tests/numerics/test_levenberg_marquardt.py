import numpy as np
import pytest
from keras import ops
from references import levenberg_marquardt_reference as reference

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import levenberg_marquardt

EPS = np.finfo("float64").eps


def tensor(values):
    return ops.convert_to_tensor(values, dtype="float64")


def array(tensor):
    return ops.convert_to_numpy(tensor)


def ladder(jacobian, residuals, scale, radius, rest=None, count=5):
    rest = np.zeros(jacobian.shape[1]) if rest is None else rest
    parts = [tensor(part) for part in (jacobian, residuals, rest, scale)]
    model = levenberg_marquardt.decompose(*parts, EPS)
    return levenberg_marquardt.ladder(model, tensor(radius), count, EPS)


@pytest.mark.usefixtures("float64")
# TensorFlow leaves matrices of 32 columns and more to NumPy.
@pytest.mark.parametrize("shape", [(9, 4), (4, 4), (60, 40)])
def test_steps_equal_the_normal_equations(shape):
    rng = np.random.default_rng(0)
    units = np.resize([1.0, 1e-3, 1e3, 5.0], shape[1])
    j, r = rng.normal(size=shape) * units, rng.normal(size=shape[0])
    scale = np.linalg.norm(j, axis=0)
    g = j.T @ r
    for radius in (1e-3, 0.5, 1e4):
        found = ladder(j, r, scale, radius)
        whole = np.linalg.norm(scale * reference.damped_step(j, g, scale, np.inf)[0])
        for k in range(5):
            wanted = min(radius, whole) * 0.5**k
            expected, _ = reference.damped_step(j, g, scale, wanted)
            step = array(found.steps)[k]
            assert np.allclose(scale * step, scale * expected, rtol=0.0, atol=1e-10 * wanted)
            assert 0.98 * wanted <= float(found.lengths[k]) <= wanted * (1.0 + 1e-12)
            promise = reference.promise(j, g, expected)
            assert float(found.promises[k]) == pytest.approx(promise, rel=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(9, 4), (3, 8), (60, 40)])
@pytest.mark.parametrize("size", [0.1, 10.0, np.nan])
def test_the_first_step_is_accelerated_unless_it_bends_too_much(shape, size):
    rng = np.random.default_rng(0)
    j, r = rng.normal(size=shape), rng.normal(size=shape[0])
    scale, bend = np.linalg.norm(j, axis=0), size * j.T @ rng.normal(size=shape[0])
    parts = [tensor(part) for part in (j, r, np.zeros(shape[1]), scale)]
    model = levenberg_marquardt.decompose(*parts, EPS)
    plain = levenberg_marquardt.ladder(model, tensor(0.2), 4, EPS)
    found = array(levenberg_marquardt.accelerated(model, plain, tensor(bend), EPS).steps)
    damped = j.T @ j + float(plain.dampings[0]) * np.diag(scale**2)
    a = np.zeros(shape[1]) if np.isnan(size) else -np.linalg.solve(damped, bend)
    small = 2.0 * np.linalg.norm(scale * a) <= 0.75 * float(plain.lengths[0])
    assert small == (size != 10.0)
    expected = array(plain.steps) + 0.5 * a * small * np.eye(4)[:, :1]
    assert np.allclose(found, expected, rtol=0.0, atol=1e-11)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("width", [5, 40])
def test_rows_taken_in_chunks_become_a_triangle_of_the_same_squares(width):
    matrix = np.random.default_rng(0).normal(size=(3 * width, width))
    whole = tensor(matrix)

    def rows(indices):
        return ops.take(whole, indices, axis=0)

    triangle = array(active.jacobian.stacked(rows, 3 * width, width // 2, 1, whole[:0]))
    assert triangle.shape == (width, width)
    assert np.allclose(triangle.T @ triangle, matrix.T @ matrix, rtol=0.0, atol=1e-10 * width)


@pytest.mark.usefixtures("float64")
def test_the_dual_form_gives_the_steps_of_the_kernel():
    rng = np.random.default_rng(1)
    j, r = rng.normal(size=(3, 8)), rng.normal(size=3)
    scale = np.linalg.norm(j, axis=0)
    scaled = j / scale
    # Without a bound: the shortest solution of J p = -r.
    step = array(ladder(j, r, scale, 1e6).steps)[0]
    assert np.allclose(scale * step, -np.linalg.pinv(scaled) @ r, rtol=0.0, atol=1e-10)
    # With one: -D^-1 J^T (J D^-2 J^T + mu)^-1 r for some mu, and at the edge.
    step = scale * array(ladder(j, r, scale, 0.1).steps)[0]
    kernel = scaled @ scaled.T
    moved = np.linalg.lstsq(scaled.T, -step, rcond=None)[0]
    mu = (r - kernel @ moved) / moved
    assert np.allclose(mu, mu[0], rtol=1e-9)
    assert mu[0] > 0.0
    assert 0.098 <= np.linalg.norm(step) <= 0.1 + 1e-12


@pytest.mark.usefixtures("float64")
def test_half_of_the_digits_are_not_lost():
    # Condition 1e12: the normal equations would have none left.
    rng = np.random.default_rng(2)
    left, _ = np.linalg.qr(rng.normal(size=(20, 4)))
    right, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    j = left @ np.diag([1.0, 1e-4, 1e-8, 1e-12]) @ right.T
    x = np.array([1.0, -2.0, 3.0, 0.5])
    step = array(ladder(j, -j @ x, np.ones(4), 1e6).steps)[0]
    assert np.allclose(step, x, atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_a_gradient_besides_the_residuals_and_a_dead_column():
    rng = np.random.default_rng(3)
    j, r = rng.normal(size=(6, 3)), rng.normal(size=6)
    rest = rng.normal(size=3)
    g = j.T @ r + rest
    scale = np.linalg.norm(j, axis=0)
    step = array(ladder(j, r, scale, 0.2, rest).steps)[0]
    expected, _ = reference.damped_step(j, g, scale, 0.2)
    assert np.allclose(step, expected, rtol=0.0, atol=1e-10)
    j[:, 1] = 0.0
    lengths = levenberg_marquardt.column_lengths(tensor(j))
    scale = array(levenberg_marquardt.scale_of(lengths))
    assert scale[1] == 1.0
    found = ladder(j, r, scale, 1e6)
    assert np.isfinite(array(found.steps)).all()
    assert float(found.steps[0][1]) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.usefixtures("float64")
def test_the_radius_follows_minpack():
    def radius(length, own, ratio, change, slope, finite=True):
        given = (tensor(1.0), tensor(length), own, tensor(ratio), tensor(change), tensor(slope))
        own, finite = ops.convert_to_tensor(own), ops.convert_to_tensor(finite)
        given = (given[0], given[1], own, *given[3:], finite)
        return float(levenberg_marquardt.next_radius(*given))

    assert radius(0.9, False, 0.9, -1.0, -1.0) == pytest.approx(1.8)
    assert radius(0.1, True, 0.5, -1.0, -1.0) == pytest.approx(0.2)
    assert radius(1.0, False, 0.5, -1.0, -1.0) == pytest.approx(1.0)
    assert radius(1.0, False, 0.1, -0.1, -1.0) == pytest.approx(0.5)
    assert radius(1.0, False, -1.0, 1.0, -1.0) == pytest.approx(0.25)
    assert radius(1.0, False, -9.0, 1e9, -1.0) == pytest.approx(0.1)
    assert radius(1.0, False, np.nan, np.nan, -1.0, finite=False) == pytest.approx(0.1)
    assert radius(0.01, False, -1.0, 1e9, -1.0) == pytest.approx(0.01)


@pytest.mark.usefixtures("float64")
def test_the_rung_that_fits():
    lengths = tensor([1.0, 0.5, 0.25])
    for radius, rung in ((2.0, 0), (0.6, 1), (0.25, 2), (0.1, 3)):
        assert float(levenberg_marquardt.rung(lengths, tensor(radius))) == rung
