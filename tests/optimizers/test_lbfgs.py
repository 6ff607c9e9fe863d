import itertools

import keras
import numpy as np
import pytest
from keras import ops
from problems import PROBLEMS
from references.quasi_newton_reference import two_loop_direction
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from keras_dlnotes.callbacks import StopWhenConverged
from keras_dlnotes.optimizers import BFGS, LBFGS

BACKEND = keras.backend.backend()
DONE = ("converged", "line search failed", "not deterministic")


def minimise(problem, optimizer, evaluations=1500, with_loss=True):
    """A plain loop, as a user would write it outside `fit`; the points seen and the last one."""
    weights = keras.Variable(problem.start, dtype="float64", name="weights")
    optimizer.build([weights])
    seen = []
    for _ in range(evaluations):
        point = ops.convert_to_numpy(weights).copy()
        seen.append(point)
        loss, gradient = problem.loss_and_gradient(point)
        if with_loss:
            optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float64"))
        optimizer.apply([ops.convert_to_tensor(gradient, dtype="float64")], [weights])
        if optimizer.status in DONE:
            break
    optimizer.finalize_variable_values([weights])
    return seen, ops.convert_to_numpy(weights)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_as_few_evaluations_as_scipy(problem):
    if problem.name in ("rosenbrock_100", "quadratic_100") and BACKEND != "torch":
        pytest.skip("the same arithmetic, many slow eager evaluations")
    options = {"maxcor": 10, "gtol": 1e-6, "ftol": 0.0, "maxfun": 5000, "maxiter": 5000}
    scipy = minimize(
        problem.loss_and_gradient, problem.start, jac=True, method="L-BFGS-B", options=options
    )
    optimizer = LBFGS(gradient_tolerance=1e-6)
    seen, last = minimise(problem, optimizer)
    assert optimizer.status == "converged"
    assert len(seen) <= 1.1 * scipy.nfev
    # Where the Hessian is singular a small gradient says little about the distance: the loss does.
    if problem.name != "powell_singular":
        assert np.max(np.abs(last - problem.minimiser)) <= 1e-6
    assert problem.loss_and_gradient(last)[0] <= 1e-10 or problem.name == "quadratic_100"


@pytest.mark.usefixtures("float64")
@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras's matrix products are float32 on torch")
def test_the_digits_network_beside_scipy():
    import tensorflow as tf

    images, labels = load_digits(return_X_y=True)
    x, y = images[:100] / 16.0, labels[:100]
    keras.utils.set_random_seed(0)
    arguments = {"kernel_regularizer": keras.regularizers.L2(1e-2)}
    hidden = keras.layers.Dense(6, "tanh", **arguments)
    output = keras.layers.Dense(10, "softmax", **arguments)
    model = keras.Sequential([keras.Input((64,)), hidden, output])
    loss = keras.losses.SparseCategoricalCrossentropy()
    values = [v.value for v in model.trainable_variables]
    start = np.concatenate([v.numpy().ravel() for v in values])

    @tf.function
    def loss_and_gradient(flat):
        parts = tf.split(flat, [v.shape.num_elements() for v in values])
        for value, part in zip(values, parts, strict=True):
            value.assign(tf.reshape(part, value.shape))
        with tf.GradientTape() as tape:
            total = loss(y, model(x)) + tf.add_n(model.losses)
        gradients = tape.gradient(total, values)
        return total, tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

    scipy = minimize(
        lambda flat: [v.numpy() for v in loss_and_gradient(tf.constant(flat))],
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 10, "gtol": 1e-9, "ftol": 0.0, "maxfun": 5000, "maxiter": 5000},
    )
    loss_and_gradient(tf.constant(start))  # back to the start
    optimizer = LBFGS(gradient_tolerance=1e-9)
    model.compile(optimizer, loss)
    callbacks = [StopWhenConverged(verbose=0)]
    model.fit(x, y, batch_size=100, epochs=2000, shuffle=False, verbose=0, callbacks=callbacks)
    assert optimizer.status == "converged"
    assert optimizer.progress["evaluations"] <= 1.1 * scipy.nfev
    last = np.concatenate([v.numpy().ravel() for v in values])
    assert np.max(np.abs(last - scipy.x)) <= 1e-6
    assert abs(optimizer.progress["loss"] - scipy.fun) <= 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_without_the_loss_it_searches_on_gradients(problem):
    if problem.name == "quadratic_100" or (problem.name == "rosenbrock_100" and BACKEND != "torch"):
        pytest.skip("many slow eager evaluations of the same arithmetic")
    options = {"maxcor": 10, "gtol": 1e-6, "ftol": 0.0, "maxfun": 5000, "maxiter": 5000}
    scipy = minimize(
        problem.loss_and_gradient, problem.start, jac=True, method="L-BFGS-B", options=options
    )
    optimizer = LBFGS(gradient_tolerance=1e-6)
    seen, last = minimise(problem, optimizer, with_loss=False)
    assert optimizer.status == "converged"
    assert len(seen) <= 1.4 * scipy.nfev
    if problem.name != "powell_singular":
        assert np.max(np.abs(last - problem.minimiser)) <= 1e-6


@pytest.mark.usefixtures("float64")
def test_accepted_points_follow_the_textbook():
    """Each direction is the two-loop recursion's; each accepted step satisfies Wolfe."""
    problem = PROBLEMS[3]
    optimizer = LBFGS(memory_size=3, gradient_tolerance=1e-6)
    weights = keras.Variable(problem.start, dtype="float64", name="weights")
    optimizer.build([weights])
    points, gradients, iterations, checked = [], [], -1, 0
    for _ in range(60):
        point = ops.convert_to_numpy(weights).copy()
        loss, gradient = problem.loss_and_gradient(point)
        optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float64"))
        optimizer.apply([ops.convert_to_tensor(gradient, dtype="float64")], [weights])
        if optimizer.progress["iterations"] == iterations:
            continue
        iterations = optimizer.progress["iterations"]
        points.append(point)
        gradients.append(gradient)
        if iterations == 0:
            continue
        before, slope = problem.loss_and_gradient(points[-2])
        slope = slope @ (points[-1] - points[-2])
        assert loss <= before + 1e-4 * slope
        assert abs(gradient @ (points[-1] - points[-2])) <= 0.9 * abs(slope)
        steps = list(np.diff(points, axis=0))[-3:]
        changes = list(np.diff(gradients, axis=0))[-3:]
        expected = two_loop_direction(gradient, steps, changes)
        direction = ops.convert_to_numpy(optimizer._search_direction)
        assert np.max(np.abs(direction - expected)) <= 1e-9 * np.max(np.abs(expected))
        checked += 1
    assert checked > 30


@pytest.mark.usefixtures("float64")
def test_the_same_iterates_on_every_backend():
    """One table of trial points for the three backends."""
    seen, _ = minimise(PROBLEMS[2], LBFGS(gradient_tolerance=1e-6))
    expected = {
        2: [1.2482920463079772, -0.11764582202416474],
        5: [2.3028516803753503, 0.4581525642675871],
        10: [2.8519379298403655, 0.45961480935840443],
    }
    for number, point in expected.items():
        assert np.max(np.abs(seen[number] - point)) <= 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("name", "loss_and_gradient", "start", "minimiser"),
    [
        # The loss is nan beyond a barrier that the first steps jump over.
        ("barrier", lambda x: (np.sum(x - np.log(x)), 1 - 1 / x), [1e3], [1.0]),
        # Overflows to inf at half the distance of a usual first trial.
        ("overflow", lambda x: (np.sum(np.cosh(300 * x)), 300 * np.sinh(300 * x)), [2.0], [0.0]),
        ("huge", lambda x: (1e40 * np.sum((x - 3) ** 2), 2e40 * (x - 3)), [1.0, 2.0], [3.0, 3.0]),
        ("tiny", lambda x: (np.sum((1e8 * x - 3) ** 2), 2e8 * (1e8 * x - 3)), [1e-8], [3e-8]),
        (
            "flat",
            lambda x: (-np.exp(-0.05 * np.sum(x**2)), 0.1 * x * np.exp(-0.05 * np.sum(x**2))),
            [8.0, 8.0],
            [0.0, 0.0],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_steps_into_nowhere_are_survived(name, loss_and_gradient, start, minimiser):
    from problems import Problem

    problem = Problem(name, np.array(start), np.array(minimiser), loss_and_gradient)
    tolerance = {"huge": 1e30, "tiny": 1e-3, "overflow": 1e-3}.get(name, 1e-7)
    optimizer = LBFGS(gradient_tolerance=tolerance)
    _, last = minimise(problem, optimizer)
    assert optimizer.status == "converged"
    assert np.allclose(last, minimiser, rtol=1e-5, atol=1e-5 * (name != "tiny"))


@pytest.mark.usefixtures("float64")
def test_a_gradient_that_lies_ends_in_an_honest_status():
    quadratic = lambda x: (np.sum(x**2), -2.0 * x)  # noqa: E731 - the sign is wrong
    from problems import Problem

    optimizer = LBFGS()
    _, last = minimise(Problem("wrong", np.array([1.0, 2.0]), None, quadratic), optimizer)
    assert optimizer.status == "line search failed"
    assert np.array_equal(last, [1.0, 2.0])


@pytest.mark.usefixtures("float64")
def test_noise_is_told_in_plain_words_and_the_weights_stay():
    from problems import Problem

    rng = np.random.default_rng(0)

    def noisy(x):
        shift = 0.1 * rng.normal(size=2)
        return np.sum((x - shift) ** 2), 2.0 * (x - shift)

    optimizer = LBFGS()
    with pytest.warns(RuntimeWarning, match="two evaluations at the same weights"):
        seen, last = minimise(Problem("noisy", np.array([1.0, 2.0]), None, noisy), optimizer)
    assert optimizer.status == "not deterministic"
    # Soon: where a search takes long. The weights are those of the last accepted point.
    assert len(seen) <= 12
    assert np.array_equal(last, ops.convert_to_numpy(optimizer._accepted_point))
    assert any(np.array_equal(last, point) for point in seen)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("method", [LBFGS, BFGS])
def test_a_loss_that_repeats_itself_is_not_evaluated_twice(method):
    seen, _ = minimise(PROBLEMS[2], method())
    assert len(np.unique(seen, axis=0)) == len(seen) > 10


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"clipnorm": 1.0}, "not the gradient of the loss"),
        ({"weight_decay": 0.1}, "kernel_regularizer"),
        ({"use_ema": True}, "averaged"),
        ({"learning_rate": 0.1}, "found by the method"),
        ({"gradient_accumulation_steps": 2}, "FullBatch"),
    ],
)
def test_what_would_falsify_the_search_is_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        LBFGS(**arguments)


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="momentum"):
        LBFGS(momentum=0.9)
    with pytest.raises(ValueError, match="memory_size"):
        LBFGS(memory_size=0)
    with pytest.raises(ValueError, match="sufficient_decrease"):
        LBFGS(sufficient_decrease=0.95)
    with pytest.raises(ValueError, match="gradient_tolerance"):
        LBFGS(gradient_tolerance=-1.0)
    layer = keras.layers.Dense(1, kernel_constraint="max_norm")
    layer.build((None, 2))
    with pytest.raises(ValueError, match="constraint"):
        LBFGS().build(layer.trainable_variables)


@pytest.mark.usefixtures("float64")
def test_loss_scaling_is_folded_in():
    plain = minimise(PROBLEMS[2], LBFGS(), 12)[0]
    optimizer = LBFGS(loss_scale_factor=1024.0)
    weights = keras.Variable(PROBLEMS[2].start, dtype="float64", name="weights")
    optimizer.build([weights])
    for point in plain:
        assert np.allclose(ops.convert_to_numpy(weights), point, rtol=1e-12)
        loss, gradient = PROBLEMS[2].loss_and_gradient(ops.convert_to_numpy(weights))
        scaled = optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float64"))
        assert float(scaled) == pytest.approx(1024.0 * loss)
        optimizer.apply([ops.convert_to_tensor(1024.0 * gradient, dtype="float64")], [weights])


def regression(seed=0):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)).astype(keras.config.floatx())
    y = np.sin(x @ np.array([1.0, -2.0, 0.5]))[:, None].astype(keras.config.floatx())
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(6, "sigmoid"), keras.layers.Dense(1)]
    )
    return model, x, y


MODES = {
    "tensorflow": [
        {"jit_compile": False},
        {"jit_compile": True, "steps_per_execution": 5},
    ],
    "jax": [{}, {"steps_per_execution": 5}],
    "torch": [{}],
}[BACKEND]


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:.*shuffle=True.*:UserWarning")
def test_compile_and_fit_in_every_mode():
    losses = []
    for mode in MODES:
        model, x, y = regression()
        optimizer = LBFGS()
        model.compile(optimizer, loss="mse", **mode)
        if mode.get("steps_per_execution"):
            if BACKEND == "tensorflow":
                import tensorflow as tf

                data = tf.data.Dataset.from_tensors((x, y)).repeat(60)
                model.fit(data, epochs=1, verbose=0)
            else:
                model.fit(
                    (pair for pair in itertools.repeat((x, y))), steps_per_epoch=60, verbose=0
                )
        else:
            model.fit(x, y, batch_size=len(x), epochs=60, shuffle=False, verbose=0)
        assert optimizer.progress["evaluations"] == 60
        assert optimizer.progress["iterations"] > 40  # most searches take one evaluation
        final = model.evaluate(x, y, batch_size=len(x), verbose=0)
        # What fit leaves is the accepted point: its loss is the one the search has on record.
        assert final == pytest.approx(optimizer.progress["loss"], rel=1e-6)
        losses.append(final)
    assert max(losses) < 0.02
    assert max(losses) <= 1.01 * min(losses)


@pytest.mark.usefixtures("float64")
def test_a_second_fit_goes_on_and_other_data_starts_anew():
    model, x, y = regression()
    optimizer = LBFGS()
    model.compile(optimizer, loss="mse", jit_compile=BACKEND == "jax")
    model.fit(x, y, batch_size=60, epochs=20, shuffle=False, verbose=0)
    before = optimizer.progress
    model.fit(x, y, batch_size=60, epochs=20, shuffle=False, verbose=0)
    after = optimizer.progress
    assert after["restarts"] == before["restarts"] == 0
    assert after["iterations"] > before["iterations"] + 12
    assert after["loss"] < before["loss"]
    model.fit(x, -y, batch_size=60, epochs=30, shuffle=False, verbose=0)
    assert optimizer.progress["restarts"] == 1
    assert optimizer.status == "searching"
    assert model.evaluate(x, -y, batch_size=60, verbose=0) < 0.2


def test_a_float32_network_trains_to_the_limit_of_its_precision():
    model, x, y = regression()
    optimizer = LBFGS(gradient_tolerance=0.0)
    model.compile(optimizer, loss="mse", jit_compile=BACKEND == "jax")
    model.fit(x, y, batch_size=60, epochs=150, shuffle=False, verbose=0)
    assert model.evaluate(x, y, batch_size=60, verbose=0) < 0.005


def test_mini_batches_are_noticed():
    model, x, y = regression()
    optimizer = LBFGS()
    model.compile(optimizer, loss="mse", jit_compile=BACKEND == "jax")
    with pytest.warns(RuntimeWarning, match="batch_size=len"):
        model.fit(x, y, batch_size=20, epochs=15, verbose=0)
    assert optimizer.status == "not deterministic"


def test_saved_in_mid_search_it_continues_bit_for_bit(tmp_path):
    model, x, y = regression()
    model.compile(LBFGS(), loss="mse", jit_compile=BACKEND == "jax")
    whole, points = [], []
    for _ in range(30):
        points.append([ops.convert_to_numpy(v).copy() for v in model.trainable_variables])
        whole.append(float(model.train_on_batch(x, y)))
        if len(whole) == 13:
            model.save(tmp_path / "middle.keras")
    resumed = keras.saving.load_model(tmp_path / "middle.keras")
    assert type(resumed.optimizer) is LBFGS
    for number in range(13, 30):
        for a, b in zip(points[number], resumed.trainable_variables, strict=True):
            assert np.array_equal(a, ops.convert_to_numpy(b))
        assert float(resumed.train_on_batch(x, y)) == whole[number]


def test_a_strategy_that_is_not_known_is_refused(monkeypatch):
    from keras_dlnotes.backend import active

    monkeypatch.setattr(active.replicas, "refusal", lambda: "TPUStrategy")
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    with pytest.raises(ValueError, match="Received: TPUStrategy"):
        LBFGS().build(layer.trainable_variables)
