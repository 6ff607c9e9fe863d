"""Published faulty programs on gates, bits and lines, rebuilt, and what their answers make of them.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs import published_data as published
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers = keras.layers
SGD = keras.optimizers.SGD
PUBLISHED_GATES, program = table(part=5)
SLOW = ("learning_rate_too_low", "too_few_epochs")
FAST = ("learning_rate_too_high", "non_finite_loss", "exploding_gradients")


def _xor(times):
    """The four cases, again and again instead of more epochs, which take longer."""
    x, y = data.xor()
    return np.tile(x, (times, 1)), np.tile(y, (times, 1))


@program("regression_loss_for_classes", *SLOW, "sigmoid_in_hidden_layers")
def xor_with_absolute_errors():  # SO 31556268
    x, y = _xor(20)
    sgd = SGD(0.05, momentum=0.11, nesterov=True)
    model = mlp(2, [4], 1, "sigmoid", "sigmoid")
    return Run(x, y, model, "mean_absolute_error", sgd, 50, 4, ["accuracy"])


@program()
def xor_with_squared_errors_and_adam():
    x, y = _xor(20)
    adam = keras.optimizers.Adam(0.1)
    return Run(x, y, mlp(2, [8], 1, "sigmoid", "sigmoid"), "mse", adam, 40, 4, ["accuracy"])


@program("softmax_with_one_unit")
def xor_of_six_rows_softmax():  # SO 34311586
    x, y = _xor(1)
    x, y = np.concatenate([x, x[[0, 3]]]), np.concatenate([y, y[[0, 3]]])
    model = mlp(2, [2, 3], 1, "softmax", "sigmoid", "random_uniform")
    sgd = SGD(0.001, momentum=0.9, nesterov=True)
    return Run(x, y, model, "mean_squared_error", sgd, 20, 32)


@program()
def xor_of_six_rows_sigmoid():
    x, y = _xor(20)
    x, y = np.concatenate([x, x[::3]]), np.concatenate([y, y[::3]])
    sgd = SGD(0.1, momentum=0.9, nesterov=True)
    return Run(x, y, mlp(2, [8], 1, "sigmoid", "tanh"), "binary_crossentropy", sgd, 25, 4)


def _bits(target, activation, loss, rate, size, epochs):
    x = published.bits()
    y = data.random().permutation(x) if target == "shuffled" else x
    model = mlp(8, [8, 8], 8, "sigmoid", activation)
    return Run(x, y, model, loss, SGD(rate, momentum=0.9), epochs, size, ["binary_accuracy"])


@program(
    "labels_unrelated_to_inputs",
    "regression_loss_for_classes",
    "sigmoid_in_hidden_layers",
    *SLOW,
)
def bits_of_another_number():  # SO 39217567
    return _bits("shuffled", "sigmoid", "mse", 0.01, 16, 60)


@program()
def bits_of_the_same_number():
    return _bits("same", "relu", "binary_crossentropy", 0.1, 4, 50)


def _ones_and_zeros(units, activation, loss):
    y = np.repeat([1, 0], 400)
    x = np.repeat(y[:, None], 128, 1).astype("float32")
    stack = [keras.Input((128,))]
    for _ in range(2):
        stack += [layers.Dense(50, activation="relu"), layers.Dropout(0.2)]
    model = keras.Sequential([*stack, layers.Dense(units, activation=activation)])
    fit = {"validation_data": (x[::40], y[::40])}
    return Run(x, y, model, loss, "rmsprop", 3, 4, ["accuracy"], fit)


@program("softmax_with_one_unit")
def all_ones_or_all_zeros_softmax():  # SO 31880720
    return _ones_and_zeros(1, "softmax", "binary_crossentropy")


@program()
def all_ones_or_all_zeros_sigmoid():
    return _ones_and_zeros(1, "sigmoid", "binary_crossentropy")


def _line(output, metrics):
    x = data.random().uniform(0, 5, (200, 1)).astype("float32")
    y = 2 * x + 3 + data.random().normal(0, 0.1, x.shape)
    model = mlp(1, [5], 1, output, "sigmoid")
    return Run(x, y.astype("float32"), model, "mse", SGD(0.05), 40, 10, metrics)


@program("output_cannot_reach_targets", "accuracy_on_regression")
def line_through_a_sigmoid():  # SO 48221692
    return _line("sigmoid", ["accuracy"])


@program()
def line_after_sigmoids():
    return _line(None, None)


def _two_variables(output, epochs):
    x = data.random().uniform(-1, 1, (200, 2)).astype("float32")
    y = np.tanh(x[:, :1] - 0.7 * x[:, 1:] - 0.2)
    return Run(x, y, mlp(2, [4], 1, output), "mse", "sgd", epochs, 10, ["mse"])


@program("output_cannot_reach_targets", "dead_units")
def signed_values_of_two_variables_relu():  # SO 48251943
    return _two_variables("relu", 40)


@program()
def signed_values_of_two_variables_tanh():
    return _two_variables("tanh", 60)


def _parabola(rate, epochs, metrics):
    x = np.arange(0, 5, 0.01, dtype="float32")[:, None]
    y = 5 * x**2 + data.random().normal(size=x.shape) ** 3
    first = layers.Dense(50, activation="relu")
    second = layers.Dense(30, activation="relu", kernel_initializer="random_uniform")
    model = keras.Sequential([keras.Input((1,)), first, second, layers.Dense(1)])
    return Run(x, y.astype("float32"), model, "mse", SGD(rate), epochs, 32, metrics)


@program(*FAST, "unscaled_targets", "dead_units", "accuracy_on_regression")
def noisy_parabola_rate_of_a_tenth():  # SO 48934338
    return _parabola(0.1, 40, ["accuracy"])


@program()
def noisy_parabola_rate_of_a_thousandth():
    return _parabola(0.001, 60, None)


def _squares_apart(units, output, loss, epochs, count=200):
    r = data.random()
    x = np.concatenate([r.uniform(0.2, 0.4, (count, 2)), r.uniform(0.5, 0.7, (count, 2))])
    y = np.repeat([0, 1], count)
    order = r.permutation(2 * count)
    model = mlp(2, [2], units, output, "sigmoid")
    y = data.one_hot(y) if units == 2 else y
    return Run(x[order].astype("float32"), y[order], model, loss, "adam", epochs, 32, ["accuracy"])


@program("too_few_epochs", "learning_rate_too_low", "sigmoid_in_hidden_layers")
def squares_apart_five_epochs():  # SO 50306988
    return _squares_apart(2, "softmax", "categorical_crossentropy", 5)


@program()
def squares_apart_many_epochs():
    return _squares_apart(1, "sigmoid", "binary_crossentropy", 50, 1000)


def _averages(metrics):
    x = data.random().integers(0, 101, (1500, 2)) / 100
    model = mlp(2, [2], 1, activation=None)
    y = x.mean(1).astype("float32")
    return Run(x.astype("float32"), y, model, "mse", "rmsprop", 10, 10, metrics)


@program("accuracy_on_regression")
def averages_with_accuracy():  # GitHub, Averaging_Neural_Networks in DeepLocalize
    return _averages(["accuracy"])


@program()
def averages_with_absolute_error():
    return _averages(["mae"])


def _doubles(rate):
    x = np.arange(200, dtype="float32")[:, None]
    return Run(x, 2 * x, mlp(1, [], 1), "mse", SGD(rate), 5, 4)


@program(*FAST, "unscaled_inputs", "unscaled_targets")
def doubles_of_numbers_to_200():  # keras-team/keras issue 3040
    return _doubles(0.001)


@program()
def doubles_with_a_rate_that_suits():
    return _doubles(1e-5)


@program("constant_targets", "accuracy_on_regression", "unscaled_inputs", "unscaled_targets")
def sums_that_are_always_1041():  # keras-team/keras issue 6260
    x = np.arange(1, 1041, 2)
    x = np.stack([x, 1041 - x], 1).astype("float32")
    return Run(x, x.sum(1), mlp(2, [12, 8], 1), "mse", "adam", 20, 10, ["accuracy"])


def _above_the_sine(hidden, epochs):
    r = data.random()
    x = np.stack([r.uniform(0, 9.4, 600), r.uniform(-1.5, 1.5, 600)], 1).astype("float32")
    y = (x[:, 1] > np.sin(x[:, 0])).astype("int32")
    kernel = "random_uniform" if len(hidden) == 2 and hidden[0] == 2 else "glorot_uniform"
    x, y, validation = data.split(x, y, 0.8)
    run = Run(x, y, mlp(2, hidden, 1, "sigmoid", initializer=kernel), "binary_crossentropy")
    run.epochs, run.batch_size, run.metrics = epochs, 6, ["accuracy"]
    run.fit = {"validation_data": validation}
    return run


@program("model_too_small", "underfitting", "dead_units", "initial_weights_too_small")
def above_the_sine_two_units():  # SO 41372874
    return _above_the_sine([2, 2], 20)


@program()
def above_the_sine_many_units():
    return _above_the_sine([32, 32], 30)
