"""`LBFGS` between bounds: beside SciPy's L-BFGS-B, in `fit`, saved, and what is refused."""

import keras
import numpy as np
import pytest
from keras import ops
from problems import PROBLEMS, Problem
from scipy.optimize import minimize

import keras_dlnotes as kd
from keras_dlnotes.optimizers import LBFGS

BACKEND = keras.backend.backend()
INF = np.inf
JIT = {"jit_compile": BACKEND != "torch"}


def least_squares(seed=1, examples=50, size=12):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(examples, size)), rng.normal(size=examples)
    return x, y, lambda w: (0.5 * np.sum((x @ w - y) ** 2), x.T @ (x @ w - y))


def _cases():
    rosenbrock, beale, wood = (PROBLEMS[i].loss_and_gradient for i in (0, 2, 3))
    yield Problem("nnls", np.ones(12), None, least_squares()[2]), np.zeros(12), np.full(12, INF)
    yield Problem("rosenbrock", np.array([-1.2, 1.0]), None, rosenbrock), [-1.5, -0.5], [0.8, 2.0]
    yield Problem("one side", np.array([-1.2, 1.0]), None, rosenbrock), [-INF, 1.5], [INF, INF]
    yield Problem("beale", np.array([1.0, 1.0]), None, beale), [-4.5, -4.5], [2.5, 0.4]
    yield Problem("far", np.full(3, 9.0), None, lambda x: (x @ x, 2 * x)), [0.1] * 3, [1e9] * 3
    fixed = [-3.0, -10, -10, -10], [-3.0, 10, 10, 10]
    yield Problem("fixed", np.array([-3.0, -1, -3, -1]), None, wood), *fixed


CASES = [(p, np.asarray(low), np.asarray(high)) for p, low, high in _cases()]


def minimise(problem, optimizer, most=400, with_loss=True):
    """A plain loop; the points seen and the last one."""
    weights = keras.Variable(problem.start, dtype="float64", name="weights")
    optimizer.build([weights])
    seen = []
    for _ in range(most):
        seen.append(ops.convert_to_numpy(weights).copy())
        loss, gradient = problem.loss_and_gradient(seen[-1])
        if with_loss:
            optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float64"))
        optimizer.apply([ops.convert_to_tensor(gradient, dtype="float64")], [weights])
        if optimizer.status not in ("not started", "searching"):
            break
    optimizer.finalize_variable_values([weights])
    return seen, ops.convert_to_numpy(weights)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("with_loss", [True, False])
@pytest.mark.parametrize(("problem", "low", "high"), CASES, ids=lambda p: getattr(p, "name", ""))
def test_minimiser_and_active_set_are_scipys(problem, low, high, with_loss):
    scipy = minimize(
        problem.loss_and_gradient,
        problem.start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], 1),
        options={"maxcor": 10, "gtol": 1e-9, "ftol": 0.0},
    )
    optimizer = LBFGS(gradient_tolerance=1e-7, bounds=lambda variable: (low, high))
    seen, last = minimise(problem, optimizer, with_loss=with_loss)
    assert optimizer.status == "converged"
    assert np.max(np.abs(last - scipy.x)) <= 1e-6
    assert np.array_equal(last == low, scipy.x <= low)
    assert np.array_equal(last == high, scipy.x >= high)
    for point in seen:
        assert np.array_equal(point, np.clip(point, low, high))
    if with_loss and problem.name != "far":
        assert len(seen) <= 1.1 * scipy.nfev + 2  # the check for determinism, and no luck


@pytest.mark.usefixtures("float64")
@pytest.mark.skipif(BACKEND != "torch", reason="the same arithmetic, slow evaluations")
def test_in_the_median_no_more_evaluations_than_scipy():
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
        matrix, centre = turn @ np.diag(np.logspace(0, 3, 20)) @ turn.T, rng.normal(size=20)
        function = lambda x: ((x - centre) @ matrix @ (x - centre) / 2, matrix @ (x - centre))  # noqa: E731, B023
        options = {"maxcor": 10, "gtol": 1e-6, "ftol": 0.0}
        scipy = minimize(
            function, np.zeros(20), jac=True, bounds=[(-0.4, None)] * 20, options=options
        )
        optimizer = LBFGS(gradient_tolerance=1e-6, bounds=(-0.4, None))
        seen, last = minimise(Problem("quadratic", np.zeros(20), None, function), optimizer)
        assert optimizer.status == "converged"
        assert np.array_equal(last == -0.4, scipy.x == -0.4)
        ratios.append(len(seen) / scipy.nfev)
    assert np.median(ratios) <= 1.1


@pytest.mark.usefixtures("float64")
def test_the_same_iterates_on_every_backend():
    problem, low, high = CASES[1]
    seen, _ = minimise(problem, LBFGS(bounds=lambda variable: (low, high)))
    expected = {
        3: [-1.028236350346594, 1.064772606534756],
        8: [-0.8896908434379746, 0.7481865361302372],
        20: [0.0809570296437364, -0.023273695797140018],
        30: [0.7663669703603566, 0.5435137312437867],
    }
    for number, point in expected.items():
        assert np.max(np.abs(seen[number] - point)) <= 1e-10


@pytest.mark.usefixtures("float64")
def test_bounds_that_nobody_meets_change_nothing_but_the_arithmetic():
    problem = PROBLEMS[2]
    free, _ = minimise(problem, LBFGS())
    wide, last = minimise(problem, LBFGS(bounds=(-1e3, 1e3)))
    assert np.max(np.abs(last - problem.minimiser)) <= 1e-6
    for first, second in zip(free[:12], wide, strict=False):
        assert np.max(np.abs(first - second)) <= 1e-8


def model_of(constraint=None, inputs=6, **arguments):
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(1, kernel_constraint=constraint, use_bias=False)
    model = keras.Sequential([keras.Input((inputs,)), layer])
    model.compile(LBFGS(**arguments), "mse", **JIT)
    return model


def data(inputs=6):
    x, y, _ = least_squares(size=inputs)
    dtype = keras.config.floatx()
    return x.astype(dtype), y[:, None].astype(dtype)


class Seen(keras.callbacks.Callback):
    """Keeps the weights that steps, an epoch's end and a validation see."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def _keep(self, *_, **__):
        self.weights.append(self.model.get_weights()[0].copy())

    on_train_batch_end = on_epoch_end = on_test_batch_begin = on_train_end = _keep


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("constraint", "bounds"),
    [
        ("non_neg", None),
        (None, (0.0, None)),
        (kd.constraints.Box(0.0), (None, 0.1)),
        (kd.constraints.Box(-0.05, 0.1), None),
        (None, lambda variable: (np.zeros((6, 1)), 0.1) if variable.name == "kernel" else None),
    ],
)
def test_fit_finds_the_constrained_minimum(constraint, bounds):
    x, y = data()
    model = model_of(constraint, bounds=bounds, gradient_tolerance=5e-4)
    seen = Seen()
    callbacks = [seen, kd.callbacks.StopWhenConverged(verbose=0)]
    fit = {"validation_data": (x, y), "callbacks": callbacks, "shuffle": False, "verbose": 0}
    start = model.get_weights()[0]
    history = model.fit(x, y, batch_size=50, epochs=100, **fit).history
    assert model.optimizer.status == "converged"
    low = -0.05 if getattr(constraint, "low", None) == -0.05 else 0.0
    high = INF if constraint == "non_neg" or bounds == (0.0, None) else 0.1
    # Weights that start outside go back before the first evaluation.
    assert not np.array_equal(start, np.clip(start, low, high))
    first = np.mean((x @ np.clip(start, low, high) - y) ** 2)
    assert history["loss"][0] == pytest.approx(first, rel=1e-5)
    scipy = minimize(
        lambda w: (np.mean((x @ w - y[:, 0]) ** 2), 2 * x.T @ (x @ w - y[:, 0]) / 50),
        np.full(6, 0.05),
        jac=True,
        bounds=[(low, high)] * 6,
        options={"gtol": 1e-10, "ftol": 0.0},
    )
    last = model.get_weights()[0][:, 0]
    # Keras takes the loss or the products in float32 on some backends.
    assert np.max(np.abs(last - scipy.x)) <= 2e-3
    assert np.array_equal(last == low, scipy.x == low)
    assert np.sum((last == low) | (last == high)) > 0
    assert len(seen.weights) > 12
    for weights in seen.weights:
        assert np.array_equal(weights, np.clip(weights, low, high))


@pytest.mark.usefixtures("float64")
def test_weights_set_outside_go_back_and_the_search_starts_there():
    x, y = data()
    model = model_of("non_neg", gradient_tolerance=5e-4)
    fit = {"batch_size": 50, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=3, **fit)
    model.set_weights([np.full((6, 1), -1.0)])
    model.fit(x, y, epochs=60, **fit)
    assert model.optimizer.status == "converged"
    assert np.all(model.get_weights()[0] >= 0.0)
    assert model.optimizer.progress["loss"] == pytest.approx(
        model.evaluate(x, y, batch_size=50, verbose=0), rel=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_bounds_that_the_dtype_does_not_have_are_rounded_inwards(dtype):
    weights = keras.Variable(np.array([-1.0, 1.0]), dtype=dtype)
    optimizer = LBFGS(bounds=lambda v: ([0.1, 0.3], [0.7, 0.9]))
    optimizer.build([weights])
    for _ in range(3):
        point = ops.convert_to_numpy(ops.cast(weights, "float32")).astype("float64")
        assert np.array_equal(point, np.clip(point, [0.1, 0.3], [0.7, 0.9]))
        optimizer.scale_loss(ops.convert_to_tensor(-point[0] + point[1], dtype="float32"))
        optimizer.apply([ops.convert_to_tensor([-1.0, 1.0], dtype=dtype)], [weights])
    assert np.allclose(point, [0.7, 0.3], atol=0.004)


@keras.saving.register_keras_serializable("tests_of_bounds")
def kernel_at_least_0(variable):
    return (0.0, None) if variable.name == "kernel" else None


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("bounds", [(0.0, 0.2), kernel_at_least_0])
def test_saved_in_mid_search_it_continues_bit_for_bit(tmp_path, bounds):
    # From some weights, as with seed 0 on TensorFlow, the whole last kernel goes to its bound 0: a
    # stationary point, from which there is nothing more to search.
    keras.utils.set_random_seed(2)
    x, y = data()
    y = np.exp(y)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(LBFGS(bounds=bounds, gradient_tolerance=0.0), "mse", **JIT)
    whole, points = [], []
    for number in range(16):
        points.append(model.get_weights()[0])
        whole.append(float(model.train_on_batch(x, y)))
        if number == 3:
            model.save(tmp_path / "middle.keras")
    resumed = keras.saving.load_model(tmp_path / "middle.keras")
    assert resumed.optimizer.get_config() == model.optimizer.get_config()
    for number in range(4, 16):
        assert np.array_equal(points[number], resumed.get_weights()[0])
        assert float(resumed.train_on_batch(x, y)) == whole[number]
    assert len(set(whole[4:])) > 4


@pytest.mark.parametrize(
    "bounds", [(1.0, 0.0), (np.nan, 1.0), (0.0,), 0.5, ("a", None), (INF, None), (None, -INF)]
)
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(ValueError, match="Expected `bounds` to be two bounds"):
        LBFGS(bounds=bounds)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (lambda v: ([0.0, np.nan], None), "without NaN"),
        (lambda v: (np.zeros(3), None), "fits its shape"),
        (lambda v: 1.0, "each None, a number, or an array"),
        (lambda v: (1.0, 0.0), "Expected a number between the bounds"),
    ],
)
def test_what_a_function_returns_is_checked(bounds, message):
    with pytest.raises(ValueError, match=message):
        LBFGS(bounds=bounds).build([keras.Variable([0.0, 1.0])])


def test_other_constraints_and_methods_are_refused():
    class Halved(keras.constraints.NonNeg):
        def __call__(self, w):
            return super().__call__(w) / 2

    for constraint in (keras.constraints.MaxNorm(), Halved(), lambda w: w):
        layer = keras.layers.Dense(1, kernel_constraint=constraint)
        layer.build((None, 2))
        with pytest.raises(ValueError, match="NonNeg and Box"):
            LBFGS().build(layer.trainable_variables)
    for optimizer in (kd.optimizers.BFGS(), kd.optimizers.Newton(), kd.optimizers.NewtonCG()):
        layer = keras.layers.Dense(1, kernel_constraint="non_neg")
        layer.build((None, 2))
        with pytest.raises(ValueError, match="LBFGS takes such bounds"):
            optimizer.build(layer.trainable_variables)


def test_bounds_and_constraint_that_leave_nothing():
    layer = keras.layers.Dense(1, kernel_constraint="non_neg")
    layer.build((None, 2))
    with pytest.raises(ValueError, match="which leave none"):
        LBFGS(bounds=(None, -1.0)).build(layer.trainable_variables)


def test_box_constraint():
    box = kd.constraints.Box(-0.5, 2)
    assert ops.convert_to_numpy(box(np.array([-1.0, 0.25, 9.0]))).tolist() == [-0.5, 0.25, 2.0]
    with pytest.raises(ValueError, match="Expected Box to be two bounds"):
        kd.constraints.Box(1.0, 0.0)
    model = model_of(kd.constraints.Box(0.0, 1.0))
    assert keras.models.clone_model(model).layers[0].kernel_constraint.get_config() == {
        "low": 0.0,
        "high": 1.0,
    }
