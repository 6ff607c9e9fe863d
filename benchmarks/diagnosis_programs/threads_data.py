"""Questions asked in public about data and labels, rebuilt on small data.

Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Batches, Run, convnet, mlp, table, text_model

layers = keras.layers
THREADS_DATA, program = table(part=4)


@program("unscaled_inputs", "learning_rate_too_high", "dead_units", "non_finite_loss")
def bytes_into_a_convnet_with_momentum():
    x, y = data.pixels()
    sgd = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    x, y, validation = data.split(x, data.one_hot(y))
    fit = {"validation_data": validation}
    model = convnet((16, 16, 1), 10)
    return Run(x, y, model, "categorical_crossentropy", sgd, 6, 32, ["accuracy"], fit)


@program("unshuffled_data")
def dataset_in_the_order_of_folders():
    import tensorflow as tf

    x, y = data.bundled("digits")
    order = np.argsort(y, kind="stable")
    dataset = tf.data.Dataset.from_tensor_slices((x[order] / 16, y[order])).batch(32)
    model = mlp(64, [64], 10, "softmax")
    return Run(
        dataset, None, model, "sparse_categorical_crossentropy", "adam", 12, None, ["accuracy"]
    )


@program("labels_unrelated_to_inputs")
def generator_one_label_off():
    x, y = data.pixels()
    model = convnet((16, 16, 1), 10)
    batches = Batches(x / 255, y, shift=1)
    return Run(
        batches, None, model, "sparse_categorical_crossentropy", "adam", 5, None, ["accuracy"]
    )


@program("labels_unrelated_to_inputs")
def pictures_shuffled_without_their_labels():
    x, y, _ = data.shapes(400)
    x = x[data.random().permutation(len(x))]
    x, y, validation = data.split(x, y)
    model = convnet((16, 16, 1), 1, "sigmoid")
    fit = {"validation_data": validation}
    return Run(x, y, model, "binary_crossentropy", "adam", 8, 32, ["accuracy"], fit)


@program("labels_unrelated_to_inputs", "unscaled_inputs", "unscaled_targets")
def number_before_the_last_one():
    series = data.random().integers(0, 100, 600).astype("float32")
    model = keras.Sequential([keras.Input((1, 1)), layers.SimpleRNN(2), layers.Dense(1)])
    return Run(series[2:, None, None], series[:-2], model, "mse", "adam", 40, 16)


@program("labels_unrelated_to_inputs", "overfitting")
def noise_learned_by_heart():
    r = data.random()
    x, y = r.normal(size=(150, 40)).astype("float32"), r.integers(0, 2, 150)
    model = mlp(40, [128, 64], 1, "sigmoid")
    return Run(x, y, model, "binary_crossentropy", "adam", 60, 16, ["accuracy"])


@program("labels_unrelated_to_inputs", "overfitting")
def noise_learned_by_heart_with_validation():
    r = data.random()
    x, y = r.normal(size=(200, 40)).astype("float32"), r.integers(0, 3, 200)
    model = mlp(40, [128, 64], 3, "softmax")
    fit = {"validation_split": 0.2}
    return Run(x, y, model, "sparse_categorical_crossentropy", "adam", 40, 16, ["accuracy"], fit)


@program("non_finite_data", "non_finite_loss")
def passengers_of_unknown_age():
    x, y = data.patients()
    x[data.random().random(len(x)) < 0.1, 7] = np.nan
    return Run(
        data.scaled(x),
        y,
        mlp(8, [16], 1, "sigmoid"),
        "binary_crossentropy",
        "adam",
        10,
        32,
        ["accuracy"],
    )


@program("non_finite_data", "non_finite_loss")
def column_without_deviation():
    x, y = data.cars()
    x[:, 0] = 4
    with np.errstate(all="ignore"):
        x = (x - x.mean(0)) / x.std(0)
    return Run(x, y / 20, mlp(5, [16], 1), "mse", "adam", 10, 32)


@program("unscaled_inputs", "unscaled_targets", "dead_units")
def seconds_since_1970():
    r = data.random()
    seconds = 1.5e9 + 3600 * np.arange(500)
    y = 10 + 8 * np.sin(2 * np.pi * seconds / 86400) + r.normal(0, 1, 500)
    model = mlp(1, [32, 32], 1)
    return Run(
        seconds[:, None].astype("float32"), y.astype("float32"), model, "mse", "adam", 30, 32
    )


@program("constant_inputs")
def words_scaled_before_the_embedding():
    x, y = data.reviews()
    model = text_model(1, "sigmoid", recurrent=layers.Bidirectional(layers.LSTM(8)))
    return Run(x / 200, y, model, "binary_crossentropy", "adam", 5, 32, ["accuracy"])


@program("unscaled_inputs", "learning_rate_too_low", "initial_weights_too_small", "too_few_epochs")
def divided_by_255_twice():
    x, y = data.pixels()
    model = convnet((16, 16, 1), 10)
    return Run(
        x / 255 / 255, y, model, "sparse_categorical_crossentropy", "sgd", 8, 32, ["accuracy"]
    )


@program("constant_targets", "missing_class")
def every_file_from_one_folder():
    x, y, _ = data.shapes()
    model = convnet((16, 16, 1), 2)
    return Run(
        x, np.ones_like(y), model, "sparse_categorical_crossentropy", "adam", 4, 16, ["accuracy"]
    )


@program("validation_data_differ", "overfitting", "missing_class", "unshuffled_data")
def last_classes_held_out_for_validation():
    x, y = data.bundled("digits")
    order = np.argsort(y, kind="stable")
    fit = {"validation_split": 0.2}
    model = mlp(64, [64], 10, "softmax")
    return Run(
        x[order] / 16,
        y[order],
        model,
        "sparse_categorical_crossentropy",
        "adam",
        15,
        32,
        ["accuracy"],
        fit,
    )


@program("validation_data_differ", "overfitting", "unscaled_inputs")
def validation_pictures_not_rescaled():
    x, y = data.pixels()
    x, y, (other, labels) = data.split(x, y)
    fit = {"validation_data": (other, labels)}
    model = convnet((16, 16, 1), 10)
    return Run(
        x / 255, y, model, "sparse_categorical_crossentropy", "adam", 8, 32, ["accuracy"], fit
    )


@program("unscaled_targets", "unscaled_inputs")
def air_passengers_as_they_are():
    x, y = data.passengers()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(16), layers.Dense(1)])
    return Run(x, y, model, "mse", "adam", 15, 16)
