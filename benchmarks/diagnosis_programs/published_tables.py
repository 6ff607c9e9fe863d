"""Published faulty programs on tables with classes, rebuilt, and their repaired twins.

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
PUBLISHED_TABLES, program = table(part=5)
CROSS, BINARY = "categorical_crossentropy", "binary_crossentropy"
MISFIT = ("loss_does_not_fit_output", "missing_output_activation")


def _dropout_half():
    return layers.Dropout(0.5)


def _ship(scale):
    x, y = published.ship(800)
    model = mlp(8, [512], 2, "softmax", between=_dropout_half)
    fit = {"validation_split": 0.2}
    return Run(scale(x), data.one_hot(y), model, CROSS, "adam", 6, 4, ["accuracy"], fit)


@program("unscaled_inputs", "learning_rate_too_high")
def survivors_of_a_ship_raw():  # SO 31627380
    return _ship(lambda x: x)


@program()
def survivors_of_a_ship_scaled():
    return _ship(data.scaled)


def _tumours(first, loss, rate):
    x, y = data.bundled("breast_cancer")
    model = mlp(16, [64, 64], 2, "softmax", "tanh", "random_uniform", _dropout_half, first)
    sgd = SGD(rate, momentum=0.9, nesterov=True)
    return Run(x[:, :16], data.one_hot(y), model, loss, sgd, 20, 16, ["accuracy"])


@program(
    "regression_loss_for_classes",
    "loss_does_not_fit_output",
    "unscaled_inputs",
    "saturated_units",
    "learning_rate_too_high",
)
def tumours_raw_tanh_and_squares():  # SO 34673164
    return _tumours((), "mean_squared_error", 0.1)


@program()
def tumours_with_normalized_inputs():
    return _tumours((layers.BatchNormalization(),), CROSS, 0.01)


def _topics(output, loss, rate, epochs):
    x, y = published.several_labels()
    x, y, validation = data.split(x, y, 0.8)
    rates = 0.5 if output == "softmax" else 0.2
    model = mlp(20, [20, 20], 3, output, between=lambda: layers.Dropout(rates))
    fit = {"validation_data": validation}
    return Run(x, y, model, loss, SGD(rate), epochs, 20, ["accuracy"], fit)


@program(
    "loss_does_not_fit_output",
    "labels_do_not_fit_loss",
    "output_cannot_reach_targets",
    "regression_loss_for_classes",
)
def several_topics_softmax_and_squares():  # SO 38648195
    return _topics("softmax", "mse", 0.01, 20)


@program()
def several_topics_sigmoid():
    return _topics("sigmoid", BINARY, 0.05, 30)


def _readings(scale, size, epochs):
    r = data.random()
    x = np.stack([r.normal(200, 80, 300), r.normal(30000, 8000, 300), r.normal(40, 15, 300)], 1)
    y = (data.scaled(x) @ [1.0, -1.0, 0.8] + r.normal(0, 0.3, 300) > 0).astype("int32")
    x, y, validation = data.split(scale(x).astype("float32"), y, 0.67)
    model = mlp(3, [12, 3], 1, "sigmoid", initializer="random_uniform")
    fit = {"validation_data": validation}
    return Run(x, y, model, BINARY, "adam", epochs, size, ["accuracy"], fit)


@program("unscaled_inputs", "dead_units", "batch_size_too_small")
def three_raw_readings_one_at_a_time():  # SO 39525358
    return _readings(lambda x: x, 1, 15)


@program()
def three_scaled_readings():
    return _readings(data.scaled, 5, 50)


def _packets(scale, output):
    x, y = published.packets()
    model = mlp(11, [12, 12], 1, output, initializer="random_normal")
    return Run(scale(x), y, model, BINARY, "adam", 40, 10, ["accuracy"])


@program(*MISFIT, "output_cannot_reach_targets", "unscaled_inputs", "dead_units")
def packets_through_relu():  # SO 44066044
    return _packets(lambda x: x, "relu")


@program()
def packets_through_sigmoid():
    return _packets(data.scaled, "sigmoid")


def _above_a_level(x, output, loss, optimizer, epochs):
    x = x.astype("float32")
    y = x[:, 0] > np.median(x)
    x, y, validation = data.split(x, y.astype("int32"), 0.8)
    model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(1, activation="sigmoid"),
            layers.Dense(1, activation=output, kernel_initializer="random_normal"),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, loss, optimizer, epochs, 200, ["accuracy"], fit)


@program("softmax_with_one_unit")
def above_a_level_softmax():  # SO 45442843
    x = data.random().normal(5000, 1200, (500, 1))
    return _above_a_level(x, "softmax", "mean_absolute_error", "rmsprop", 40)


@program()
def above_a_level_sigmoid():
    x = data.scaled(data.random().normal(5000, 1200, (500, 1)))
    return _above_a_level(x, "sigmoid", BINARY, keras.optimizers.RMSprop(0.05), 60)


def _adults(scale):
    x, y = published.adults()
    model = mlp(10, [21], 2, "softmax")
    return Run(scale(x), data.one_hot(y), model, CROSS, "adam", 40, 32, ["accuracy"])


@program("unscaled_inputs", "learning_rate_too_high")
def census_as_it_is():  # SO 47724077
    return _adults(lambda x: x)


@program()
def census_scaled():
    return _adults(data.scaled)


def _iris(x, y, hidden, output, epochs, rate=0.01):
    x, y, validation = data.split(x.astype("float32"), data.one_hot(y))
    model = mlp(4, hidden, 3, output, initializer="random_normal")
    fit = {"validation_data": validation}
    adam = keras.optimizers.Adam(rate)
    return Run(x, y, model, CROSS, adam, epochs, 5, ["accuracy"], fit)


@program(*MISFIT)
def iris_raw_with_three_sigmoids():  # SO 51930566
    return _iris(*data.bundled("iris"), [4], "sigmoid", 40, 0.001)


@program()
def iris_scaled_with_softmax():
    x, y = data.bundled("iris")
    return _iris(data.scaled(x), y, [4], "softmax", 40)


@program()
def iris_from_zero_to_one():  # the repaired SO 59278771
    x, y = data.bundled("iris")
    x = (x - x.min(0)) / np.ptp(x, 0)
    return _iris(x, y, [16, 8], "softmax", 40)


@program()
def wider_and_wider_layers():  # SO 50481178, whose labels were 0 and 1
    x, y = published.several_labels(600, 1)
    model = mlp(20, [10, 20, 30, 40, 50], 2, "softmax")
    fit = {"validation_split": 0.1}
    loss = "sparse_categorical_crossentropy"
    return Run(x, y[:, 0].astype("int32"), model, loss, "adam", 8, 10, ["accuracy"], fit)


def _attacks(x, y, widths, share, epochs):
    x, y, validation = data.split(x, data.one_hot(y), 0.9)
    model = mlp(11, widths, 5, "softmax", between=lambda: layers.Dropout(share))
    fit = {"validation_data": validation}
    return Run(x, y, model, CROSS, "adam", epochs, 32, ["accuracy"], fit)


@program("unscaled_inputs", "too_few_epochs", "regularization_too_strong")
def attacks_of_five_kinds_raw():  # GitHub, DDOS-ML-Detection in DeepLocalize
    return _attacks(*published.packets(800, 5), [22, 64, 128, 64], 0.4, 2)


@program()
def attacks_of_five_kinds_scaled():
    x, y = published.packets(800, 5)
    return _attacks(data.scaled(x), y, [30, 20], 0.2, 40)


def _rare(optimizer, weights, epochs):
    r = data.random()
    x = (r.random((1500, 100)) < 0.1).astype("float32")
    score = x[:, :10].sum(1) + r.normal(0, 0.3, 1500)
    y = (score >= np.sort(score)[-45]).astype("int32")
    x, y, validation = data.split(x, y, 0.8)
    model = mlp(100, [], 1, "sigmoid", initializer="random_normal")
    fit = {"validation_data": validation, "class_weight": weights}
    return Run(x, y, model, BINARY, optimizer, epochs, 32, ["accuracy", "recall"], fit)


@program("learning_rate_too_low", "too_few_epochs", "stuck_at_trivial_predictor")
def three_in_a_hundred_never_found():  # keras-team/keras issue 4247
    return _rare(SGD(0.0001), None, 20)


@program()
def three_in_a_hundred_weighted():
    return _rare(keras.optimizers.Adam(0.01), {0: 1.0, 1: 30.0}, 30)
