"""Newton and NewtonCG, through `fit` on every backend."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits

from keras_dlnotes.callbacks import SecondDerivatives, StopWhenConverged
from keras_dlnotes.numerics.trust_region_machine import TrustRegionControl
from keras_dlnotes.optimizers import Newton, NewtonCG

BACKEND = keras.backend.backend()
EAGER_OR_GRAPH = {"jit_compile": BACKEND == "jax"}
# Keras's matrix products are float32 on torch whatever the dtype: so far down is the gradient.
FLOOR = {"torch": 1e-5}.get(BACKEND, 1e-9)


class Landscape(keras.layers.Layer):
    """Two weights; the output is a loss over them, the input does not matter."""

    def __init__(self, function, start):
        super().__init__()
        self.function, self.start = function, start

    def build(self, _):
        self.point = self.add_weight(
            shape=(2,), initializer=keras.initializers.Constant(0.0), name="point"
        )
        self.point.assign(self.start)

    def call(self, inputs):
        a, b = self.point[0], self.point[1]
        return self.function(a, b) + 0.0 * inputs


def descend(function, start, optimizer, epochs, **compile_arguments):
    model = keras.Sequential([keras.Input((1,)), Landscape(function, start)])
    model.compile(
        optimizer, loss=lambda y, u: ops.mean(u), **{**EAGER_OR_GRAPH, **compile_arguments}
    )
    ones = np.ones((1, 1))
    callbacks = [SecondDerivatives(), StopWhenConverged(verbose=0)]
    model.fit(ones, ones, epochs=epochs, verbose=0, callbacks=callbacks)
    return model, ops.convert_to_numpy(model.layers[0].point)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("optimizer", "steps"), [(Newton, 1), (NewtonCG, 4)])
def test_a_quadratic(optimizer, steps):
    optimizer = optimizer(gradient_tolerance=FLOOR)
    function = lambda a, b: 3.0 * (a - 1.0) ** 2 + (b + 2.0) ** 2 + a * b  # noqa: E731
    _, last = descend(function, [4.0, 5.0], optimizer, 30)
    assert optimizer.status == "converged"
    assert optimizer.progress["iterations"] <= steps
    assert np.allclose(last, np.linalg.solve([[6.0, 1.0], [1.0, 2.0]], [6.0, -4.0]), atol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", [Newton, NewtonCG])
def test_rosenbrock_from_far_away(optimizer):
    optimizer = optimizer(gradient_tolerance=1e-8)
    function = lambda a, b: 100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2  # noqa: E731
    _, last = descend(function, [-1.2, 1.0], optimizer, 150)
    assert optimizer.status == "converged"
    assert np.allclose(last, 1.0, atol=1e-7)
    assert optimizer.progress["iterations"] < 40


@pytest.mark.usefixtures("float64")
def test_a_saddle_is_left_even_where_the_gradient_is_zero():
    optimizer = Newton(gradient_tolerance=1e-8)
    function = lambda a, b: 0.25 * a**4 - 0.5 * a**2 + b**2  # noqa: E731
    _, last = descend(function, [0.0, 0.0], optimizer, 40)
    assert optimizer.status == "converged"
    assert np.allclose(np.abs(last), [1.0, 0.0], atol=1e-7)


@pytest.mark.usefixtures("float64")
def test_negative_curvature_is_followed_without_the_matrix():
    optimizer = NewtonCG(gradient_tolerance=1e-8)
    function = lambda a, b: 0.25 * a**4 - 0.5 * a**2 + b**2  # noqa: E731
    _, last = descend(function, [0.01, 1.0], optimizer, 80)
    assert optimizer.status == "converged"
    assert np.allclose(last, [1.0, 0.0], atol=1e-7)


@pytest.mark.usefixtures("float64")
def test_a_singular_hessian_at_the_minimum():
    optimizer = Newton(gradient_tolerance=1e-9)
    function = lambda a, b: a**4 + (b - a) ** 2  # noqa: E731
    _, last = descend(function, [2.0, -1.0], optimizer, 60)
    assert optimizer.status == "converged"
    assert np.allclose(last, 0.0, atol=2e-3)


def state_of(optimizer):
    """The optimizer's variables by name, and the numbers of its control by theirs."""
    state = {v.name: np.array(ops.convert_to_numpy(v)) for v in optimizer.variables}
    return state | dict(zip(TrustRegionControl._fields, state["control"], strict=True))


def regression(units=4):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = np.tanh(x @ np.array([1.0, -2.0, 0.5]))[:, None] + 0.1 * rng.normal(size=(60, 1))
    penalty = keras.regularizers.L2(1e-3)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(units, "sigmoid", kernel_regularizer=penalty),
            keras.layers.Dense(1, kernel_regularizer=penalty),
        ]
    )
    return model, x, y


MODES = {
    "tensorflow": [{"jit_compile": False}, {"jit_compile": True}],
    "jax": [{}],
    "torch": [{}],
}[BACKEND]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", [Newton, NewtonCG])
def test_a_network_in_every_mode(optimizer):
    for mode in MODES:
        # XLA compiles every row of the Hessian on its own: few of them, for the test's time.
        model, x, y = regression(units=1 if mode.get("jit_compile") else 4)
        model.compile(optimizer(gradient_tolerance=1e-4), loss="mse", **mode)
        callbacks = [SecondDerivatives(), StopWhenConverged(verbose=0)]
        model.fit(x, y, batch_size=60, epochs=250, shuffle=False, verbose=0, callbacks=callbacks)
        assert model.optimizer.status == "converged"
        assert model.optimizer.progress["iterations"] < 60
        assert "train_step" not in vars(model)


@pytest.mark.usefixtures("float64")
def test_the_hessian_is_finite_differences_of_the_gradient():
    model, x, y = regression()
    optimizer = Newton(gradient_tolerance=1e-4, verify_determinism=False)
    model.compile(optimizer, loss="mse", **EAGER_OR_GRAPH)
    model.fit(x, y, batch_size=60, epochs=3, verbose=0, callbacks=[SecondDerivatives()])
    # Rebuilt from what the optimizer keeps: D Q diag(lambda) Q^T D at the accepted point, where
    # D^-1 Q is kept, and lambda in the optimizer's unit.
    state = state_of(optimizer)
    lam = state["unit"] * state["eigenvalues"]
    inverse = np.linalg.inv(state["eigenvectors"])
    hessian = inverse.T @ np.diag(lam) @ inverse

    def gradient(flat):
        places = np.cumsum([np.prod(v.shape) for v in model.trainable_variables])[:-1]
        for variable, part in zip(model.trainable_variables, np.split(flat, places), strict=True):
            variable.assign(part.reshape(variable.shape))
        probe = keras.optimizers.SGD(1.0)
        model.compile(probe, loss="mse", **EAGER_OR_GRAPH)
        model.train_on_batch(x, y)
        return flat - np.concatenate(
            [ops.convert_to_numpy(v).ravel() for v in model.trainable_variables]
        )

    point = state["accepted_point"]
    for index in (0, 7, len(lam) - 1):
        unit = np.zeros(len(lam))
        unit[index] = 1e-3
        column = (gradient(point + unit) - gradient(point - unit)) / 2e-3
        assert np.allclose(column, hessian[:, index], atol=2e-4)


def gauss_newton_matrix(model, x, penalty=1e-3):
    """J^T (2 / n) J + 2 penalty on the kernels, for `regression`'s network, in NumPy."""
    w1, b1, w2, _ = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    hidden = 1.0 / (1.0 + np.exp(-(x @ w1 + b1)))
    slope = hidden * (1.0 - hidden) * w2[:, 0]
    jacobian = np.concatenate(
        [
            (x[:, :, None] * slope[:, None, :]).reshape(len(x), -1),
            slope,
            hidden,
            np.ones((len(x), 1)),
        ],
        axis=1,
    )
    on_kernels = np.concatenate(
        [np.ones(w1.size), np.zeros(b1.size), np.ones(w2.size), np.zeros(1)]
    )
    return 2.0 / len(x) * jacobian.T @ jacobian + 2.0 * penalty * np.diag(on_kernels)


@pytest.mark.usefixtures("float64")
def test_gauss_newton_products_equal_the_numpy_twin():
    model, x, y = regression()
    expected = gauss_newton_matrix(model, x)
    optimizer = NewtonCG(curvature="gauss_newton")
    model.compile(optimizer, loss="mse", **EAGER_OR_GRAPH)
    # The start, and one product: conjugate gradients' first step.
    model.fit(x, y, batch_size=60, epochs=2, verbose=0, callbacks=[SecondDerivatives()])
    state = state_of(optimizer)
    iterate = state["inner_iterate"]
    product = state["unit"] * (state["inner_residual"] - state["accepted_gradient"])
    tolerance = {"tensorflow": 1e-10}.get(BACKEND, 1e-5)  # float32 inside Keras's operations there
    assert np.max(np.abs(iterate)) > 1e-3
    assert np.allclose(product, expected @ iterate, rtol=0.0, atol=tolerance)


def digits(activation):
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.Dense(10, activation)]
    model = keras.Sequential([keras.Input((64,)), *layers])
    return model, images[:200] / 16.0, labels[:200]


@pytest.mark.parametrize("activation", ["softmax", None])
def test_gauss_newton_sees_logits_and_probabilities(activation):
    model, x, y = digits(activation)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    optimizer = NewtonCG(curvature="gauss_newton", gradient_tolerance=1e-4)
    model.compile(optimizer, loss=loss, **EAGER_OR_GRAPH)
    callbacks = [SecondDerivatives()]
    history = model.fit(x, y, batch_size=200, epochs=80, verbose=0, callbacks=callbacks).history
    assert min(history["loss"]) < 0.2 * history["loss"][0]
    assert not {"compute_loss", "train_step"} & set(vars(model))


@pytest.mark.usefixtures("float64")
def test_gauss_newton_without_the_callback_names_it():
    model, x, y = regression()
    model.compile(NewtonCG(curvature="gauss_newton"), loss="mse", **EAGER_OR_GRAPH)
    with pytest.raises(ValueError, match="SecondDerivatives"):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="hessian"):
        NewtonCG(curvature="fisher")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA's limit in TensorFlow")
def test_a_hessian_that_xla_cannot_compile_names_the_way_out():
    model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(2)])
    model.compile(Newton(), loss="mse", jit_compile=True)
    with pytest.raises(ValueError, match="jit_compile=False"):
        model.fit(np.ones((4, 40)), np.ones((4, 2)), verbose=0)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graph")
@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton"])
def test_a_step_without_a_graph_names_the_way_out(curvature):
    model, x, y = regression()
    model.compile(NewtonCG(curvature=curvature), loss="mse", run_eagerly=True)
    with pytest.raises(RuntimeError, match="run_eagerly=True"):
        model.fit(x, y, verbose=0, callbacks=[SecondDerivatives()])


def test_noise_is_noticed():
    rng = np.random.default_rng(0)
    model, _, y = regression()
    for optimizer in (Newton(), NewtonCG()):
        model.compile(optimizer, loss="mse", **EAGER_OR_GRAPH)
        with pytest.warns(RuntimeWarning, match="two evaluations"):
            model.fit(
                rng.normal(size=(60, 3)),
                y,
                batch_size=15,
                epochs=10,
                verbose=0,
                callbacks=[SecondDerivatives()],
            )
        assert optimizer.status == "not deterministic"


def test_what_cannot_work_is_refused_with_the_way_out():
    layer = keras.layers.Dense(50)
    layer.build((None, 50))
    with pytest.raises(ValueError, match="NewtonCG"):
        Newton(max_weights=2000).build(layer.trainable_variables)
    with pytest.raises(ValueError, match="clipnorm"):
        Newton(clipnorm=1.0)
    optimizer = Newton()
    weights = keras.Variable([1.0], name="weights")
    with pytest.raises(ValueError, match="scale_loss"):
        optimizer.apply([ops.ones((1,))], [weights])
    model, x, y = regression()
    if BACKEND == "jax":
        model.compile(Newton(), loss="mse")
        with pytest.raises(ValueError, match="SecondDerivatives"):
            model.fit(x, y, verbose=0)
        model, x, y = regression()  # Keras's JAX trainer loses the weights when a step raises
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="SGD"):
        model.fit(x, y, verbose=0, callbacks=[SecondDerivatives()])
