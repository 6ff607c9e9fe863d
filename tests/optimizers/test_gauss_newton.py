"""GaussNewton, through `fit` on every backend."""

import keras
import numpy as np
import pytest
from keras import ops
from references import levenberg_marquardt_reference as reference
from scipy.optimize import least_squares
from sklearn.datasets import load_digits

from keras_dlnotes.backend.float64 import true_float64
from keras_dlnotes.callbacks import FullBatch, SecondDerivatives, StopWhenConverged
from keras_dlnotes.optimizers import GaussNewton, gauss_newton_factor

BACKEND = keras.backend.backend()
CROSS_ENTROPY = "sparse_categorical_crossentropy"


class Curve(keras.layers.Layer):
    """One output for each row of x, a function of a few weights."""

    def __init__(self, function, start, **kwargs):
        super().__init__(**kwargs)
        self.function, self.start = function, list(start)

    def build(self, _):
        self.weight = self.add_weight(
            shape=(len(self.start),), initializer=keras.initializers.Zeros(), name="weight"
        )
        self.weight.assign(self.start)

    def call(self, x):
        return self.function(self.weight, x, ops)


def misra(b, x, xp):
    """NIST's Misra1a."""
    return b[0] * (1.0 - xp.exp(-b[1] * x))


PRESSURE = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3]
PRESSURE = np.array([*PRESSURE, 536.8, 593.1, 689.1, 760.0])[:, None]
VOLUME = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05]
VOLUME = np.array([*VOLUME, 61.01, 66.40, 75.47, 81.78])[:, None]
CERTIFIED = np.array([2.3894212918e02, 5.5015643181e-04])


def half_sum_of_squares(y, u):
    return 0.5 * ops.sum(ops.square(u - y))


def fit(model, optimizer, x, y, epochs, loss="mse", callbacks=(), **arguments):
    compiled = {k: arguments.pop(k) for k in ("jit_compile", "run_eagerly") if k in arguments}
    model.compile(optimizer, loss=loss, **compiled)
    size = len(keras.tree.flatten(x)[0])
    return model.fit(
        x,
        y,
        batch_size=size,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[SecondDerivatives(), *callbacks],
        **arguments,
    )


def curve(start, function=misra):
    return keras.Sequential([keras.Input((1,)), Curve(function, start)])


class Accepted(keras.callbacks.Callback):
    """The accepted points and the evaluations that they took."""

    def __init__(self):
        super().__init__()
        self.points = {}

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        progress = optimizer.progress
        point = ops.convert_to_numpy(optimizer._accepted_point).copy()
        self.points.setdefault(progress["iterations"], (progress["evaluations"], point))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("start", [[500.0, 1e-4], [250.0, 5e-4]])
def test_a_certified_problem_from_both_starts(start):
    model = curve(start)
    optimizer = GaussNewton()
    fit(model, optimizer, PRESSURE, VOLUME, 60, callbacks=[StopWhenConverged(verbose=0)])
    assert optimizer.status == "converged"
    assert optimizer.progress["evaluations"] <= 25
    assert np.allclose(ops.convert_to_numpy(model.layers[0].weight), CERTIFIED, rtol=1e-8)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("acceleration", "loss"),
    [(False, half_sum_of_squares), (True, half_sum_of_squares), (True, "mse")],
)
def test_the_same_iterates_on_every_backend(acceleration, loss):
    """Those of the NumPy twin: so they are the same on all three."""
    residuals = lambda b: (misra(b, PRESSURE, np) - VOLUME)[:, 0]  # noqa: E731

    def jacobian(b):
        e = np.exp(-b[1] * PRESSURE)
        return np.concatenate([1.0 - e, b[0] * PRESSURE * e], axis=1)

    start = [500.0, 1e-4]
    count = 5 if acceleration else 8  # then the loss is at its minimum to rounding
    expected = reference.iterates(residuals, jacobian, start, count, acceleration=acceleration)
    with true_float64():
        model, accepted = curve(start), Accepted()
        optimizer = GaussNewton(acceleration=acceleration)
        fit(model, optimizer, PRESSURE, VOLUME, 14, loss, [accepted])
    assert len(accepted.points) > count
    for iteration, (evaluations, point) in enumerate(expected, start=1):
        found_at, found = accepted.points[iteration]
        assert found_at == evaluations
        assert np.allclose(found, point, rtol=1e-10, atol=0.0)


def valley(b, x, xp):
    """A curved valley, ten times as steep as Rosenbrock's."""
    return x * 100.0 * (b[1] - b[0] * b[0]) + (1.0 - x) * (1.0 - b[0])


@pytest.mark.usefixtures("float64")
def test_acceleration_follows_a_curved_valley():
    taken = {}
    for acceleration in (False, True):
        model, optimizer = curve([-1.2, 1.0], valley), GaussNewton(acceleration=acceleration)
        x, y = np.array([[1.0], [0.0]]), np.zeros((2, 1))
        fit(model, optimizer, x, y, 60, callbacks=[StopWhenConverged(verbose=0)])
        assert optimizer.status == "converged"
        assert np.allclose(ops.convert_to_numpy(model.layers[0].weight), 1.0, atol=1e-9)
        taken[acceleration] = optimizer.progress["evaluations"]
    assert taken[True] <= 25
    assert taken[False] >= 40


@pytest.mark.usefixtures("float64")
def test_how_the_outputs_bend_equals_exact_derivatives():
    """Of a cross-entropy of two outputs that are quadratic in the weights."""
    rng = np.random.default_rng(0)
    square, linear = rng.normal(size=(2, 5, 3, 4))  # [examples, classes, weights]
    labels = np.eye(3)[rng.integers(0, 3, 5)]
    w, p = rng.normal(size=(2, 4))
    tensors = [ops.convert_to_tensor(a, dtype="float64") for a in (square, linear, labels)]
    variable = keras.Variable(w, dtype="float64")

    def outputs(weights, inputs):
        first = ops.sum(inputs[0] * weights[0] ** 2 + inputs[1] * weights[0], axis=-1)
        return [first, 2.0 * first]

    def loss(weights, given):
        z = given[0] + 0.5 * given[1]
        return ops.sum(ops.log(ops.sum(ops.exp(z), axis=-1)) - ops.sum(tensors[2] * z, axis=-1))

    problem = gauss_newton_factor.LeastSquares(loss, outputs, tensors[:2], False, False)
    z = 2.0 * (square @ w**2 + linear @ w)
    share = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    jacobian, second = 2.0 * square * w + linear, 2.0 * square @ p**2
    # z = 2 o, o the first output: dL/dz^2 = diag(share) - share share^T, and dz = 2 do.
    curved = 4.0 * (share * second - share * np.sum(share * second, axis=1, keepdims=True))
    gradient = ops.convert_to_tensor(2.0 * np.einsum("ik,ikn->n", share - labels, jacobian))
    with true_float64():
        factor = gauss_newton_factor.form(
            problem, [variable], gradient, "float64", 2.2e-16, None, 4000
        )
        found = gauss_newton_factor.bend(
            problem, [variable], factor, ops.convert_to_tensor(p, dtype="float64"), "float64"
        )
    found = ops.convert_to_numpy(found)
    assert np.allclose(found, np.einsum("ik,ikn->n", curved, jacobian), rtol=1e-10, atol=0.0)


@pytest.mark.usefixtures("float64")
def test_acceleration_changes_no_step_where_the_outputs_are_linear():
    x = np.random.default_rng(0).normal(size=(20, 3))
    y = np.sin(x @ [[1.0], [2.0], [-1.0]])
    weights = []
    for acceleration in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        optimizer = GaussNewton(acceleration=acceleration, initial_radius=0.1)
        with true_float64():
            fit(model, optimizer, x, y, 6)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.allclose(*weights, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize(("loss", "activation"), [("mse", None), (CROSS_ENTROPY, "softmax")])
def test_acceleration_lowers_the_loss_of_a_network_in_float32(loss, activation):
    digits = load_digits()
    x, y = digits.data[:150] / 16.0, digits.target[:150]
    if loss == "mse":
        y = keras.utils.to_categorical(y, 10)
    losses = {}
    for acceleration in (False, True):
        model = network(10, activation, penalty=1e-4, inputs=64)
        optimizer = GaussNewton(acceleration=acceleration)
        history = fit(model, optimizer, x.astype("float32"), y, 30, loss).history["loss"]
        losses[acceleration] = optimizer.progress["loss"]
        assert optimizer.progress["loss"] < 0.4 * history[0]
    assert losses[True] < 1.5 * losses[False]


@pytest.mark.usefixtures("float64")
def test_step_by_step_with_minpack():
    """Where no step is rejected and the ball does not bind, each step is `lmder`'s."""
    residuals = lambda b: (misra(b, PRESSURE, np) - VOLUME)[:, 0]  # noqa: E731

    def jacobian(b):
        e = np.exp(-b[1] * PRESSURE)
        return np.concatenate([1.0 - e, b[0] * PRESSURE * e], axis=1)

    start = [240.0, 5.4e-4]
    given = {"jac": jacobian, "method": "lm", "x_scale": "jac"}
    tight = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15)
    with true_float64():
        model, optimizer, accepted = curve(start), GaussNewton(), Accepted()
        fit(model, optimizer, PRESSURE, VOLUME, 8, half_sum_of_squares, [accepted])
    for iterations in (1, 2, 3):
        # MINPACK evaluates the start, and each step once.
        theirs = least_squares(residuals, start, max_nfev=1 + iterations, **tight, **given)
        assert np.allclose(accepted.points[iterations][1], theirs.x, rtol=1e-9, atol=0.0)


def network(outputs=1, activation=None, penalty=None, units=4, inputs=3):
    keras.utils.set_random_seed(0)
    regularizer = keras.regularizers.L2(penalty) if penalty else None
    dense = keras.layers.Dense
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            dense(units, "sigmoid", kernel_regularizer=regularizer, bias_initializer="normal"),
            dense(outputs, activation, kernel_regularizer=regularizer),
        ]
    )


def numpy_network(model, x):
    """Outputs before the last activation [m, k], and their Jacobian [m, k, n]."""
    w1, b1, w2, b2 = [np.asarray(ops.convert_to_numpy(v), "float64") for v in model.weights]
    hidden = 1.0 / (1.0 + np.exp(-(x @ w1 + b1)))
    slope = hidden * (1.0 - hidden)
    rows = []
    for k in range(w2.shape[1]):
        back = slope * w2[:, k]
        to_kernel = np.zeros((len(x), *w2.shape))
        to_kernel[:, :, k] = hidden
        to_bias = np.zeros((len(x), len(b2)))
        to_bias[:, k] = 1.0
        first = (x[:, :, None] * back[:, None, :]).reshape(len(x), -1)
        rows.append(np.concatenate([first, back, to_kernel.reshape(len(x), -1), to_bias], axis=1))
    return hidden @ w2 + b2, np.stack(rows, axis=1)


def ladder_of(optimizer):
    """The steps from the first Jacobian, their lengths and promises."""
    return [ops.convert_to_numpy(v) for v in (optimizer._steps, optimizer._lengths_and_promises)]


def check_steps(model, optimizer, gauss_newton, gradient):
    """Each of the steps solves (G + mu D^2) p = -g for a mu, with D from G's diagonal."""
    steps, (_, promises) = ladder_of(optimizer)
    unit = ops.convert_to_numpy(optimizer._control)[type_of_control().index("unit")]
    scale = np.sqrt(np.diag(gauss_newton))
    scale = np.where(scale > 0.0, scale, 1.0)
    for k in (0, 2, 4):
        p = steps[k].astype("float64")
        short = -(gauss_newton @ p + gradient)
        mu = (scale * p) @ (short / scale) / ((scale * p) @ (scale * p))
        assert mu >= -1e-6
        size = np.abs(gradient / scale).max()
        assert np.allclose((short - mu * scale**2 * p) / scale, 0.0, atol=2e-5 * size)
        promised = -(gradient @ p) - 0.5 * p @ gauss_newton @ p
        assert promises[k] * unit == pytest.approx(promised, rel=1e-4)


def type_of_control():
    from keras_dlnotes.numerics.levenberg_marquardt_machine import LevenbergMarquardtControl

    return LevenbergMarquardtControl._fields


def data(m=12):
    rng = np.random.default_rng(0)
    return rng.normal(size=(m, 3)), rng.normal(size=(m, 1)), rng.uniform(0.1, 2.0, size=m)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("reduction", "chunk_size"), [("sum_over_batch_size", None), ("sum", 7)])
def test_squares_with_weights_and_penalties(reduction, chunk_size):
    x, y, weight = data(30)
    model = network(penalty=1e-2)
    optimizer = GaussNewton(verify_determinism=False, chunk_size=chunk_size)
    outputs, jacobian = numpy_network(model, x)
    kernels = np.concatenate([np.ones(12), np.zeros(4), np.ones(4), np.zeros(1)])
    values = np.concatenate([ops.convert_to_numpy(v).ravel() for v in model.weights])
    weight_of = weight / (len(x) if reduction == "sum_over_batch_size" else 1.0)
    j = jacobian[:, 0]
    g = 2.0 * j.T @ (weight_of * (outputs - y)[:, 0]) + 2e-2 * kernels * values
    gauss_newton = 2.0 * j.T @ (weight_of[:, None] * j) + 2e-2 * np.diag(kernels)
    loss = keras.losses.MeanSquaredError(reduction=reduction)
    fit(model, optimizer, x, y, 1, loss, sample_weight=weight)
    check_steps(model, optimizer, gauss_newton, g)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("activation", "sparse"), [(None, True), ("softmax", False)])
def test_cross_entropy_of_logits_and_probabilities(activation, sparse):
    x, _, weight = data(40)
    labels = np.arange(40) % 3
    model = network(3, activation, units=2)
    optimizer = GaussNewton(verify_determinism=False)
    logits, jacobian = numpy_network(model, x)
    e = np.exp(logits)
    p = e / e.sum(axis=1, keepdims=True)
    blocks = (p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]) * weight[:, None, None]
    gauss_newton = np.einsum("mkn,mkl,mlo->no", jacobian, blocks, jacobian) / len(x)
    g = np.einsum("mkn,mk->n", jacobian, (p - np.eye(3)[labels]) * weight[:, None]) / len(x)
    kind = "SparseCategoricalCrossentropy" if sparse else "CategoricalCrossentropy"
    loss = getattr(keras.losses, kind)(from_logits=activation is None)
    target = labels if sparse else np.eye(3)[labels]
    fit(model, optimizer, x, target, 1, loss, sample_weight=weight)
    check_steps(model, optimizer, gauss_newton, g)


@pytest.mark.usefixtures("float64")
def test_binary_cross_entropy_and_a_loss_of_ones_own():
    x, y, _ = data(40)
    target = (y > 0.0).astype("float64")
    for activation in ("sigmoid", None):
        model = network(1, activation, units=2)
        optimizer = GaussNewton(verify_determinism=False)
        logits, jacobian = numpy_network(model, x)
        p, j = 1.0 / (1.0 + np.exp(-logits)), jacobian[:, 0]
        g = j.T @ (p - target)[:, 0] / len(x)
        gauss_newton = j.T @ (p * (1.0 - p) * j) / len(x)
        loss = keras.losses.BinaryCrossentropy(from_logits=activation is None)
        fit(model, optimizer, x, target, 1, loss)
        check_steps(model, optimizer, gauss_newton, g)
    model, optimizer = network(2), GaussNewton(verify_determinism=False)
    outputs, jacobian = numpy_network(model, x)
    # Two outputs whose squares are mixed: a block for each example.
    mixing = np.array([[2.0, 1.0], [1.0, 3.0]])
    residuals = outputs - np.concatenate([y, -y], axis=1)
    gauss_newton = 2.0 * np.einsum("mkn,kl,mlo->no", jacobian, mixing, jacobian)
    g = 2.0 * np.einsum("mkn,kl,ml->n", jacobian, mixing, residuals)

    def loss_of_both(y, u):
        first, second = (u - y)[:, 0], (u - y)[:, 1]
        return ops.sum(2.0 * first**2 + 2.0 * first * second + 3.0 * second**2)

    fit(model, optimizer, x, np.concatenate([y, -y], axis=1), 1, loss_of_both)
    check_steps(model, optimizer, gauss_newton, g)


@pytest.mark.usefixtures("float64")
def test_a_uniform_scale_bounds_the_step_in_the_weights_own_units():
    x, y, _ = data(30)
    model = network()
    optimizer = GaussNewton(scale="uniform", verify_determinism=False)
    start = np.concatenate([ops.convert_to_numpy(v).ravel() for v in model.weights])
    _, jacobian = numpy_network(model, x)
    fit(model, optimizer, x, y, 1)
    steps, (lengths, _) = ladder_of(optimizer)
    mean = np.sqrt(np.mean(np.sum(2.0 / len(x) * jacobian[:, 0] ** 2, axis=0)))
    unit = ops.convert_to_numpy(optimizer._control)[type_of_control().index("unit")]
    for k in (0, 3):
        size = mean / np.sqrt(unit) * np.linalg.norm(steps[k])
        assert lengths[k] == pytest.approx(size, rel=1e-4)
    assert lengths[0] <= 1.0001 * mean / np.sqrt(unit) * np.linalg.norm(start)


@pytest.mark.usefixtures("float64")
def test_fewer_residuals_than_weights():
    x, y, _ = data(6)
    model = network(units=20)
    optimizer = GaussNewton(max_size=50)  # 101 weights, 6 residuals
    with true_float64():
        history = fit(model, optimizer, x, y, 60, callbacks=[StopWhenConverged(verbose=0)]).history[
            "loss"
        ]
    assert optimizer.status == "converged"
    assert min(history) < 1e-20 * history[0]
    with pytest.raises(ValueError, match="max_size"):
        fit(network(units=20, penalty=1e-3), GaussNewton(max_size=50), x, y, 2)


@pytest.mark.usefixtures("float64")
def test_several_inputs_and_outputs_in_a_model_of_ones_own():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Dense(4, "tanh")
            self.first = keras.layers.Dense(2)
            self.second = keras.layers.Dense(3, "softmax")
            self.still = keras.layers.Dense(2, trainable=False)

        def call(self, inputs, training=False):
            h = self.inner(ops.concatenate([inputs["a"], self.still(inputs["b"])], axis=-1))
            return {"u": self.first(h), "v": self.second(h)}

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(30, 2)), "b": rng.normal(size=(30, 2))}
    y = {"u": np.sin(x["a"]), "v": rng.integers(0, 3, size=30)}
    optimizer = GaussNewton()
    model = Two()
    frozen = None
    loss = {"u": "mse", "v": "sparse_categorical_crossentropy"}
    model.compile(optimizer, loss=loss, loss_weights={"u": 2.0, "v": 0.5})
    callbacks = [SecondDerivatives(), StopWhenConverged(verbose=0)]
    history = model.fit(x, y, batch_size=30, epochs=25, verbose=0, callbacks=callbacks).history
    frozen = ops.convert_to_numpy(model.still.kernel).copy()
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert optimizer.status in ("searching", "converged")
    assert np.array_equal(frozen, ops.convert_to_numpy(model.still.kernel))
    assert not {"compute_loss", "train_step"} & set(vars(model))


MODES = {
    "tensorflow": [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}],
    "jax": [{"jit_compile": True}],
    "torch": [{}],
}[BACKEND]


def test_in_every_mode_in_float32():
    x, y, _ = data(30)
    losses = []
    for mode in MODES:
        model = network()
        optimizer = GaussNewton()
        callbacks = [StopWhenConverged(verbose=0)]
        losses.append(fit(model, optimizer, x, y, 20, callbacks=callbacks, **mode).history["loss"])
        assert min(losses[-1]) < 0.6 * losses[-1][0]
        if "jit_compile" in mode:
            assert model.jit_compile == mode["jit_compile"]
    for other in losses[1:]:
        assert np.allclose(other[:4], losses[0][:4], rtol=1e-3)


def test_digits_beside_the_start():
    images, labels = load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    history = fit(
        model,
        GaussNewton(),
        images[:100] / 16.0,
        labels[:100],
        12,
        "sparse_categorical_crossentropy",
    ).history["loss"]
    assert min(history) < 0.02 * history[0]


@pytest.mark.usefixtures("float64")
def test_saved_in_mid_search_it_continues_bit_for_bit(tmp_path):
    x, y, _ = data(30)

    def train(model, optimizer, epochs, callbacks=()):
        return fit(model, optimizer, x, y, epochs, callbacks=callbacks)

    class Saved(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            known[epoch] = [ops.convert_to_numpy(v).copy() for v in self.model.weights]
            if epoch == 9:
                self.model.save(tmp_path / "middle.keras")

    known = {}
    model = network()
    optimizer = GaussNewton()
    whole = train(model, optimizer, 24, [Saved()]).history["loss"]
    resumed = keras.saving.load_model(tmp_path / "middle.keras")
    assert type(resumed.optimizer) is GaussNewton
    noted = {}

    class Noted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            noted[epoch] = [ops.convert_to_numpy(v).copy() for v in self.model.weights]

    again = resumed.fit(
        x,
        y,
        batch_size=30,
        epochs=24,
        initial_epoch=10,
        shuffle=False,
        verbose=0,
        callbacks=[SecondDerivatives(), Noted()],
    ).history["loss"]
    assert again == whole[10:]
    for epoch in range(10, 23):
        for a, b in zip(known[epoch], noted[epoch], strict=True):
            assert np.array_equal(a, b)


@pytest.mark.usefixtures("float64")
def test_a_step_too_long_is_taken_back_without_a_new_jacobian():
    """exp overflows along the first steps; each rejection takes one evaluation."""
    x = np.linspace(0.0, 1.0, 20)[:, None]
    growth = lambda b, x, xp: xp.exp(b[0] * x) + b[1]  # noqa: E731
    y = growth([3.0, 0.5], x, np)
    model, optimizer = curve([0.5, 0.0], growth), GaussNewton(initial_radius=1e4)
    fit(model, optimizer, x, y, 80, callbacks=[StopWhenConverged(verbose=0)])
    assert optimizer.status == "converged"
    assert np.allclose(ops.convert_to_numpy(model.layers[0].weight), [3.0, 0.5], rtol=1e-6)
    assert optimizer.progress["evaluations"] > optimizer.progress["iterations"] + 2


def test_examples_that_depend_on_each_other_are_told():
    x, y, _ = data(30)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    optimizer = GaussNewton()
    with pytest.warns(RuntimeWarning, match="BatchNormalization"):
        fit(model, optimizer, x, y, 5, callbacks=[StopWhenConverged(verbose=0)])
    assert optimizer.status == "examples not independent"


def test_what_cannot_work_is_refused_with_the_way_out():
    x, y, _ = data(10)
    for loss in ("mae", "hinge", keras.losses.CosineSimilarity()):
        with pytest.raises(ValueError, match="mean_squared_error"):
            fit(network(), GaussNewton(), x, y, 1, loss)
    model = network()
    model.compile(GaussNewton(), loss="mse", jit_compile=False)
    with pytest.raises(ValueError, match="SecondDerivatives"):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="FullBatch"):
        fit(network(), GaussNewton(), x, y, 1, callbacks=[FullBatch()])
    for arguments in (
        {"max_size": 0},
        {"scale": "none"},
        {"chunk_size": 1.5},
        {"initial_radius": 0.0},
        {"acceleration": 1},
    ):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            GaussNewton(**arguments)
    with pytest.raises(ValueError, match="clipnorm"):
        GaussNewton(clipnorm=1.0)


def test_several_replicas_are_refused(monkeypatch):
    from keras_dlnotes.backend import active

    x, y, _ = data(10)
    model = network()
    # One process still, so that the step can be traced.
    monkeypatch.setattr(active.replicas, "count", lambda: 2)
    with pytest.raises(ValueError, match="one replica"):
        fit(model, GaussNewton(), x, y, 2)


@pytest.mark.usefixtures("float64")
def test_masks_and_penalties_on_activations():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4, 2))
    x[:, 3] = 0.0
    x[::2, 2] = 0.0
    y = np.sin(x.sum(axis=-1, keepdims=True))
    y[x.sum(axis=-1) == 0.0] = 1e3  # what the mask hides
    dense = keras.layers.Dense(3, "tanh", activity_regularizer=keras.regularizers.L2(1e-3))
    layers = [keras.layers.Masking(), dense, keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4, 2)), *layers])
    optimizer = GaussNewton()
    history = fit(model, optimizer, x, y, 30, callbacks=[StopWhenConverged(verbose=0)]).history[
        "loss"
    ]
    assert optimizer.status in ("searching", "converged")
    assert min(history) < 0.2 * history[0] < 10.0


def test_half_precision_is_refused():
    x, y, _ = data(10)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, dtype="mixed_bfloat16")])
    with pytest.raises(ValueError, match="float32"):
        fit(model, GaussNewton(), x, y, 2)


@pytest.mark.usefixtures("float64")
def test_a_penalty_with_a_kink_and_a_loss_with_a_flat_part():
    x, y, _ = data(30)
    model = network(units=2)
    model.layers[0].kernel.regularizer = keras.regularizers.L1(1e-2)
    history = fit(model, GaussNewton(), x, y, 25).history["loss"]
    assert min(history) < 0.98 * history[0]
    model = network(units=2)
    optimizer = GaussNewton()
    history = fit(model, optimizer, x, 3.0 * y, 25, "huber").history["loss"]
    assert min(history) < 0.9 * history[0]
    assert optimizer.status in ("searching", "converged")


@pytest.mark.usefixtures("float64")
def test_a_fit_that_begins_where_the_loss_is_a_plane_does_not_say_converged():
    x, y, _ = data(30)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = GaussNewton()
    fit(model, optimizer, x, y + 100.0, 5, "huber")
    assert optimizer.status == "trust region failed"


@pytest.mark.usefixtures("float64")
def test_losses_by_name_belong_to_their_outputs():
    x, y, _ = data(30)
    classes = np.eye(3)[np.argmax(x, 1)]
    results = []
    for named in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        number = keras.layers.Dense(1, name="b")(inputs)
        kind = keras.layers.Dense(3, "softmax", name="a")(inputs)
        model = keras.Model(inputs, [number, kind])
        losses = ["mse", "categorical_crossentropy"]
        targets = [y, classes]
        if named:
            losses, targets = (
                dict(zip("ba", losses, strict=True)),
                dict(zip("ba", targets, strict=True)),
            )
        results.append(fit(model, GaussNewton(), x, targets, 40, losses).history["loss"])
    # Not the same steps: behind which output a softmax may be left out is known for a list only.
    assert min(results[1]) < 1.05 * min(results[0]) < 1.0


@pytest.mark.usefixtures("float64")
def test_a_mean_of_squares_behind_a_softmax():
    x, _, _ = data(30)
    softmax = keras.layers.Dense(3, "softmax")
    keras.utils.set_random_seed(0)
    target = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    model = keras.Sequential([keras.Input((3,)), softmax])
    history = fit(model, GaussNewton(), x, target, 30, "mse").history["loss"]
    assert min(history) < 1e-10


def test_a_loss_of_a_model_without_the_argument_training():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    x, y, _ = data(30)
    model = Own([keras.Input((3,)), keras.layers.Dense(1)])
    history = fit(model, GaussNewton(), x, y, 6).history["loss"]
    assert min(history) < history[0]


@pytest.mark.parametrize("wrong", [{"gradient_tolerance": None}, {"scale": np.ones(3)}])
def test_more_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GaussNewton(**wrong)


@pytest.mark.usefixtures("float64")
def test_a_loop_of_ones_own():
    weights = keras.Variable([500.0, 1e-4], dtype="float64")
    optimizer = GaussNewton()
    optimizer.build([weights])
    x, y = ops.convert_to_tensor(PRESSURE), ops.convert_to_tensor(VOLUME)

    def loss(values, outputs):
        return ops.sum(ops.square(outputs[0] - y))

    def outputs(values, inputs):
        return [misra(values[0], inputs, ops)]

    problem = (loss, outputs, x)
    gradients = {"tensorflow": _tensorflow_step, "jax": _jax_step, "torch": _torch_step}[BACKEND]
    for _ in range(40):
        gradients(problem, optimizer, weights)
        if optimizer.status == "converged":
            break
    assert optimizer.status == "converged"
    assert np.allclose(ops.convert_to_numpy(weights), CERTIFIED, rtol=1e-8)


def _value(problem, values):
    loss, outputs, inputs = problem
    return loss(values, outputs(values, inputs))


def _tensorflow_step(problem, optimizer, weights):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = optimizer.scale_loss(_value(problem, [weights.value]))
    optimizer.differentiate(*problem)
    optimizer.apply([tape.gradient(loss, weights.value)], [weights])


def _jax_step(problem, optimizer, weights):
    import jax

    loss, gradients = jax.value_and_grad(lambda v: _value(problem, v))([weights.value])
    optimizer.scale_loss(loss)
    optimizer.differentiate(*problem)
    optimizer.apply(gradients, [weights])


def _torch_step(problem, optimizer, weights):
    import torch

    loss = _value(problem, [weights.value])
    optimizer.scale_loss(loss)
    optimizer.differentiate(*problem)
    gradients = torch.autograd.grad(loss, weights.value)
    with torch.no_grad():
        optimizer.apply(list(gradients), [weights])
