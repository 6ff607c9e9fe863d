"""The six rules against their plain NumPy twins: equal to 1e-12 in float64 over 50 steps."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dlnotes import optimizers
from tests.references import first_order

# Each case: the optimizer, its twin, and the twin's arguments.
CASES = {
    "gradient descent": (
        lambda: optimizers.GradientDescent(0.1),
        first_order.gradient_descent,
        {"alpha": 0.1},
    ),
    "momentum": (
        lambda: optimizers.Momentum(0.05, momentum=0.8),
        first_order.momentum,
        {"alpha": 0.05, "mu": 0.8},
    ),
    "nesterov momentum": (
        lambda: optimizers.NesterovMomentum(0.05, momentum=0.8),
        first_order.nesterov_momentum,
        {"alpha": 0.05, "mu": 0.8},
    ),
    "adagrad": (
        lambda: optimizers.AdaGrad(0.1, epsilon=1e-4),
        first_order.adagrad,
        {"alpha": 0.1, "epsilon": 1e-4},
    ),
    "adagrad, epsilon outside": (
        lambda: optimizers.AdaGrad(0.1, epsilon=1e-4, epsilon_mode="outside"),
        first_order.adagrad,
        {"alpha": 0.1, "epsilon": 1e-4, "inside": False},
    ),
    "rmsprop": (
        lambda: optimizers.RMSProp(0.01, rho=0.8, epsilon=1e-5),
        first_order.rmsprop,
        {"alpha": 0.01, "gamma": 0.8, "epsilon": 1e-5},
    ),
    "rmsprop, epsilon outside": (
        lambda: optimizers.RMSProp(0.01, rho=0.8, epsilon=1e-5, epsilon_mode="outside"),
        first_order.rmsprop,
        {"alpha": 0.01, "gamma": 0.8, "epsilon": 1e-5, "inside": False},
    ),
    "adam": (
        lambda: optimizers.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-6),
        first_order.adam,
        {"alpha": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6},
    ),
    "adam, bias correction": (
        lambda: optimizers.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-6, bias_correction=True),
        first_order.adam,
        {"alpha": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6, "bias_correction": True},
    ),
    "adam, as Keras's": (
        lambda: optimizers.Adam(
            0.01,
            beta_1=0.8,
            beta_2=0.95,
            epsilon=1e-6,
            bias_correction=True,
            epsilon_mode="outside_uncorrected",
        ),
        first_order.keras_adam,
        {"alpha": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6},
    ),
    "adam, Kingma and Ba": (
        lambda: optimizers.Adam(
            0.01,
            beta_1=0.8,
            beta_2=0.95,
            epsilon=1e-6,
            bias_correction=True,
            epsilon_mode="outside",
        ),
        first_order.adam,
        {
            "alpha": 0.01,
            "beta_1": 0.8,
            "beta_2": 0.95,
            "epsilon": 1e-6,
            "bias_correction": True,
            "inside": False,
        },
    ),
}
# Small variables are updated together, the last one by itself.
SHAPES = [(4, 3), (3,), (), (2, 1, 2), (70, 70)]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference(case):
    make, twin, arguments = CASES[case]
    rng = np.random.default_rng(7)
    starts = [rng.normal(size=shape) for shape in SHAPES]
    gradients = [[rng.normal(size=shape) for _ in range(50)] for shape in SHAPES]
    gradients[1][20:] = [np.zeros(3)] * 30  # a gradient that vanishes half-way
    variables = [keras.Variable(start, dtype="float64") for start in starts]
    optimizer = make()
    expected = [
        list(twin(start, history, **arguments))
        for start, history in zip(starts, gradients, strict=True)
    ]
    for step in range(50):
        optimizer.apply([ops.convert_to_tensor(g[step]) for g in gradients], variables)
        for variable, reference in zip(variables, expected, strict=True):
            np.testing.assert_allclose(
                ops.convert_to_numpy(variable), reference[step], rtol=1e-12, atol=1e-12
            )


def test_adams_first_step_without_and_with_bias_correction():
    # m / √v is (1 - β₁) g / √((1 - β₂) g²) = 0.1 / √0.001 without the correction, and 1 with it.
    for correction, expected in ((False, 0.1 / np.sqrt(0.001)), (True, 1.0)):
        variable = keras.Variable([0.0])
        optimizer = optimizers.Adam(1.0, epsilon=1e-12, bias_correction=correction)
        optimizer.apply([ops.convert_to_tensor([5.0])], [variable])
        np.testing.assert_allclose(ops.convert_to_numpy(variable), -expected, rtol=1e-4)


@pytest.mark.usefixtures("float64")
def test_learning_rate_is_a_floatx_variable():
    # float64 weights under a float32 floatx see the float32 nearest to 0.1.
    keras.config.set_floatx("float32")
    variable = keras.Variable([0.0], dtype="float64")
    gradient = ops.convert_to_tensor(np.ones(1), dtype="float64")
    optimizers.GradientDescent(0.1).apply([gradient], [variable])
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), -np.float64(np.float32(0.1)))


# Numbers that float32 holds exactly: on TensorFlow Keras's optimizers round theirs to it first.
DECAYS = {"beta_1": 0.875, "beta_2": 1 - 2**-10, "epsilon": 2**-23}
# Each case: ours, and Keras's own with the same rule.
AS_KERAS = {
    "SGD": lambda: (optimizers.GradientDescent(0.01), keras.optimizers.SGD(0.01)),
    "momentum": lambda: (optimizers.Momentum(0.01, 0.875), keras.optimizers.SGD(0.01, 0.875)),
    "Nesterov": lambda: (
        optimizers.NesterovMomentum(0.01, 0.875),
        keras.optimizers.SGD(0.01, 0.875, nesterov=True),
    ),
    "Adagrad": lambda: (
        optimizers.AdaGrad(0.01, initial_accumulator_value=0.125),
        keras.optimizers.Adagrad(0.01, initial_accumulator_value=0.125),
    ),
    "Adagrad from 0": lambda: (
        optimizers.AdaGrad(0.01),
        keras.optimizers.Adagrad(0.01, initial_accumulator_value=0.0),
    ),
    "RMSprop": lambda: (optimizers.RMSProp(0.01), keras.optimizers.RMSprop(0.01)),
    "Adam": lambda: (
        optimizers.Adam(0.01, **DECAYS, bias_correction=True, epsilon_mode="outside_uncorrected"),
        keras.optimizers.Adam(0.01, **DECAYS),
    ),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e-8])
@pytest.mark.parametrize("case", AS_KERAS)
def test_equals_keras_own(case, scale):
    """Also where gradients are so small that it counts where epsilon stands."""
    rng = np.random.default_rng(3)
    starts = [rng.normal(size=shape) for shape in SHAPES[:3]]
    pairs = [
        (optimizer, [keras.Variable(start, dtype="float64") for start in starts])
        for optimizer in AS_KERAS[case]()
    ]
    for _ in range(200):
        gradients = [ops.convert_to_tensor(scale * rng.normal(size=s.shape)) for s in starts]
        for optimizer, variables in pairs:
            optimizer.apply(list(gradients), variables)
    for mine, theirs in zip(pairs[0][1], pairs[1][1], strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs), rtol=0, atol=1e-12
        )
