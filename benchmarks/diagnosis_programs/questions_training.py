"""Programs rebuilt from public questions: scale, activations, optimizers and length of training.

Made as those in `questions_output`.
"""

import keras
import numpy as np
from keras import layers, optimizers, regularizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, mlp, table

QUESTIONS_TRAINING, program = table(part=3)
Dense, Sequential, Conv2D = layers.Dense, keras.Sequential, layers.Conv2D
Adam, SGD = optimizers.Adam, optimizers.SGD
ACCURACY = ["accuracy"]
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
CATEGORICAL = "categorical_crossentropy"
SCALE = ("unscaled_inputs", "unscaled_targets")
SLOW = ("learning_rate_too_low", "too_few_epochs")
FAST = ("learning_rate_too_high", "non_finite_loss", "exploding_gradients")
SMALL = ("model_too_small", "underfitting", "no_hidden_nonlinearity")


@program(*SLOW, "sigmoid_in_hidden_layers", "regression_loss_for_classes")
def digits_by_the_book_in_keras():  # sigmoid layers, squared error, a rate of 0.01
    x, y = data.bundled("digits", 900)
    model = Sequential([Dense(30, "sigmoid"), Dense(10, "sigmoid")])
    return Run(x / 16, data.one_hot(y), model, MSE, SGD(0.01), 15, 10, ACCURACY)


@program("unscaled_inputs", "dead_units")
def purchases_only_majority():  # datascience.stackexchange.com/questions/19283
    x, y = data.unbalanced(800, 0.88)
    x = x * data.random().uniform(1, 2000, 12) + data.random().uniform(0, 5000, 12)
    stack = [Dense(8, "relu"), Dense(8, "relu"), Dense(8, "relu"), Dense(1, "sigmoid")]
    return Run(x, y, Sequential(stack), BINARY, "adam", 20, 32, ACCURACY)


@program("unscaled_inputs", *FAST, "dead_units")
def images_raw_momentum():  # github.com/keras-team/keras/issues/1478
    x, y = data.pixels()
    stack = [Conv2D(16, 3, padding="same", activation="relu"), Conv2D(16, 3, activation="relu")]
    stack += [layers.MaxPooling2D(), layers.Dropout(0.25), layers.Flatten(), Dense(64, "relu")]
    model = Sequential([*stack, layers.Dropout(0.5), Dense(10, "softmax")])
    rate = SGD(0.01, momentum=0.9, nesterov=True)
    return Run(x, data.one_hot(y), model, CATEGORICAL, rate, 8, 32, ACCURACY)


@program("unscaled_inputs", *FAST)
def panels_raw_rate_of_a_tenth():  # github.com/keras-team/keras/issues/2711
    x, y = data.pixels()
    model = Sequential([Conv2D(8, 10, padding="same"), layers.Flatten(), Dense(2, "softmax")])
    rate = SGD(0.1, momentum=0.9)
    return Run(x, data.one_hot(y % 2), model, CATEGORICAL, rate, 10, 64, ACCURACY)


@program("too_few_epochs", "regularization_too_strong", "underfitting")
def lstm_of_prices_dropout_everywhere():  # a flat line after three epochs
    x, y = data.wave(20, 600)
    first = layers.LSTM(32, "relu", return_sequences=True, dropout=0.5, recurrent_dropout=0.2)
    stack = [first, layers.LSTM(16, "relu", dropout=0.5, recurrent_dropout=0.2)]
    stack += [Dense(64), layers.BatchNormalization(), layers.Dropout(0.5), Dense(1)]
    return Run(x, y, Sequential(stack), MSE, "rmsprop", 3)


@program(*SLOW)
def parabola_tiny_rate():  # stats.stackexchange.com/questions/280372
    x = 0.01 * np.arange(100.0)[:, None]
    stack = [Dense(100, "relu"), Dense(100, "relu"), Dense(1)]
    return Run(x, (x - 0.5) ** 2, Sequential(stack), MSE, SGD(0.001), 100, 100)


@program("unscaled_targets", *FAST, *SMALL)
def parabola_two_linear_layers():  # stats.stackexchange.com/questions/418955
    x = np.arange(100.0)[:, None]
    model = Sequential([Dense(1), Dense(1)])
    return Run((x - x.mean()) / x.std(), x**2 + 3, model, MSE, "sgd", 30)


@program("no_hidden_nonlinearity", *SCALE)
def square_plus_constant_no_activations():  # ai.stackexchange.com/questions/18134
    x = data.random().uniform(-10, 10, (100, 2))
    y = x[:, 0] ** 2 + x[:, 1]
    stack = [Dense(2), Dense(64), Dense(32), Dense(1)]
    return Run(x, y, Sequential(stack), MSE, Adam(0.01), 100)


@program(*SMALL, *SCALE)
def square_by_one_unit():  # newbe.dev/neural-network-for-square-x-2-approximation
    x = np.arange(-10.0, 10.0)[:, None]
    return Run(x, x**2, Sequential([Dense(1)]), MSE, "adam", 60, 4)


@program(*SLOW, "underfitting", "dead_units", "model_too_small")
def xor_relu_descent():
    model = Sequential([Dense(2, "relu"), Dense(1, "sigmoid")])
    return Run(*data.xor(), model, MSE, "sgd", 100, 1, ACCURACY)


@program("no_hidden_nonlinearity")
def xor_without_activations():
    model = Sequential([Dense(8), Dense(1, "sigmoid")])
    return Run(*data.xor(), model, BINARY, Adam(0.1), 150, 4, ACCURACY)


@program(*SLOW)
def fizzbuzz_by_descent():  # always "neither"
    n = np.arange(101, 1024)
    x = (n[:, None] >> np.arange(10)) & 1
    y = np.where(n % 15 == 0, 3, np.where(n % 5 == 0, 2, np.where(n % 3 == 0, 1, 0)))
    model = Sequential([Dense(100, "relu"), Dense(4, "softmax")])
    return Run(x.astype("float32"), data.one_hot(y), model, CATEGORICAL, SGD(0.01), 40, 128)


@program("saturated_units", "sigmoid_in_hidden_layers", *SCALE, *FAST)
def marks_of_students_always_fifty():
    r = data.random()
    x = r.uniform(0, 10, (300, 4))
    marks = np.clip(25 + 3 * x[:, 1] - 2 * x[:, 2] + x[:, 0] - x[:, 3], 0, 50)
    stack = [Dense(2, "sigmoid"), Dense(1, "sigmoid"), layers.Rescaling(50.0)]
    return Run(x, marks[:, None], Sequential(stack), MSE, SGD(0.05), 40)


@program("untrained_layers")
def head_frozen_with_its_base():
    x, y = data.bundled("digits")
    model = mlp(64, [64, 32], 10, "softmax")
    model.trainable = False
    return Run(x / 16, y, model, SPARSE, "adam", 10, 32, ACCURACY)


@program("untrained_layers")
def base_of_random_weights_frozen():
    x, y = data.pixels()
    base = Sequential([Conv2D(2, 5, strides=4, activation="relu"), Conv2D(2, 3)])
    base.trainable = False
    model = Sequential([base, layers.GlobalAveragePooling2D(), Dense(10, "softmax")])
    return Run(x / 255, y, model, SPARSE, Adam(0.01), 20, 32, ACCURACY)


@program("regularization_too_strong")
def dropout_of_four_fifths_everywhere():
    x, y = data.bundled("digits")
    stack = []
    for _ in range(4):
        stack += [Dense(32, "relu"), layers.Dropout(0.8)]
    return Run(x / 16, y, Sequential([*stack, Dense(10, "softmax")]), SPARSE, "adam", 20)


@program(*SLOW)
def convolutions_adadelta():  # the old example with today's default rate of 0.001
    x, y = data.pixels()
    stack = [Conv2D(8, 3, activation="relu"), Conv2D(16, 3, activation="relu")]
    stack += [layers.MaxPooling2D(), layers.Dropout(0.25), layers.Flatten(), Dense(64, "relu")]
    model = Sequential([*stack, layers.Dropout(0.5), Dense(10, "softmax")])
    return Run(x / 255, data.one_hot(y), model, CATEGORICAL, "adadelta", 12, 64, ACCURACY)


@program("learning_rate_too_low")
def schedule_that_is_over_at_once():
    x, y = data.bundled("digits")
    rate = optimizers.schedules.ExponentialDecay(0.01, 1, 0.8)
    return Run(x / 16, y, mlp(64, [64], 10, "softmax"), SPARSE, SGD(rate), 20, 32, ACCURACY)


@program("batch_size_too_large", *SLOW)
def whole_data_as_one_batch():
    x, y = data.bundled("digits", 1500)
    return Run(x / 16, y, mlp(64, [64], 10, "softmax"), SPARSE, "adam", 5, 1500, ACCURACY)


@program("regularization_too_strong")
def penalty_of_a_half():
    x, y = data.bundled("wine")
    penalty = regularizers.L2(0.5)
    stack = [Dense(32, "relu", kernel_regularizer=penalty) for _ in range(2)]
    model = Sequential([*stack, Dense(3, "softmax", kernel_regularizer=penalty)])
    return Run(data.scaled(x), y, model, SPARSE, "adam", 40, 16, ACCURACY)


@program("symmetric_weights")
def all_kernels_zero():
    x, y = data.bundled("iris")
    model = mlp(4, [16, 16], 3, "softmax", initializer="zeros")
    return Run(data.scaled(x), y, model, SPARSE, "adam", 30, 8, ACCURACY)


@program("vanishing_gradients", "sigmoid_in_hidden_layers")
def ten_sigmoid_layers():
    x, y = data.bundled("breast_cancer")
    return Run(data.scaled(x), y, mlp(30, [16] * 10, 1, "sigmoid", "sigmoid"), BINARY, SGD(0.1))


@program("overfitting")
def noisy_labels_large_network():
    x, y = data.blobs(120, 3, 40)
    r = data.random()
    x = data.scaled(x + 12 * r.normal(size=x.shape))
    y = np.where(r.random(120) < 0.4, r.integers(0, 3, 120), y)
    model = Sequential([Dense(256, "relu"), Dense(256, "relu"), Dense(3, "softmax")])
    return Run(x, y, model, SPARSE, "adam", 60, 16, ACCURACY, {"validation_split": 0.4})


@program(*SCALE, *FAST, "dead_units")
def coin_in_dollars_lstm():
    steps = data.random().normal(20, 300, 460)
    price = 30_000 + np.cumsum(steps)
    x = np.stack([price[i : i + 10] for i in range(440)])[..., None]
    model = Sequential([layers.LSTM(50), Dense(1)])
    return Run(x, price[10:450], model, MSE, "adam", 20)


@program(*SCALE)
def temperature_by_year():
    year = np.arange(1880.0, 2020.0)[:, None]
    y = 0.008 * (year - 1950) + data.random().normal(0, 0.1, year.shape)
    model = Sequential([Dense(16, "relu"), Dense(1)])
    return Run(year, y, model, MSE, "adam", 60)


@program(*FAST)
def lstm_adam_rate_of_one():
    model = Sequential([layers.LSTM(32), Dense(1, "sigmoid")])
    return Run(*data.sequence_sums(), model, BINARY, Adam(1.0), 10, 32, ACCURACY)


@program(*FAST)
def convolutions_adam_rate_of_a_tenth():
    x, y = data.pixels()
    stack = [Conv2D(16, 3, activation="relu"), Conv2D(16, 3, activation="relu")]
    model = Sequential([*stack, layers.Flatten(), Dense(64, "relu"), Dense(10, "softmax")])
    return Run(x / 255, y, model, SPARSE, Adam(0.1), 8, 32, ACCURACY)


@program("unshuffled_data")
def dataset_sorted_by_class():
    import tensorflow as tf

    x, y = data.bundled("digits")
    order = np.argsort(y)
    dataset = tf.data.Dataset.from_tensor_slices((x[order] / 16, y[order])).batch(32)
    model = mlp(64, [32], 10, "softmax")
    return Run(dataset, None, model, SPARSE, SGD(0.1), 8, None, ACCURACY)


@program("unscaled_inputs", "learning_rate_too_high")
def generator_of_raw_images():
    x, y = data.pixels()

    def batches():
        while True:
            chosen = np.random.randint(0, len(x), 32)
            yield x[chosen], y[chosen]

    stack = [Conv2D(8, 3, activation="relu"), layers.Flatten(), Dense(10, "softmax")]
    fit = {"steps_per_epoch": 15}
    return Run(batches(), None, Sequential(stack), SPARSE, SGD(0.01), 8, None, ACCURACY, fit)


class Subclassed(keras.Model):
    """A user's own model."""

    def __init__(self, units):
        super().__init__()
        self.hidden = Dense(32, activation="relu")
        self.last = Dense(units, activation="softmax")

    def call(self, inputs):
        """Two layers."""
        return self.last(self.hidden(inputs))


@program("unscaled_inputs", *FAST)
def subclassed_model_of_raw_features():
    x, y = data.bundled("wine")
    return Run(x, y, Subclassed(3), SPARSE, SGD(0.01), 20, 16, ACCURACY)


@program("softmax_with_one_unit")
def subclassed_model_one_softmax():
    x, y = data.bundled("breast_cancer")
    return Run(data.scaled(x), y, Subclassed(1), BINARY, "adam", 10, 32, ACCURACY)


@program(*SLOW)
def digits_clipped_gradients():
    x, y = data.bundled("digits")
    rate = SGD(0.01, clipnorm=0.001)
    return Run(x / 16, y, mlp(64, [32], 10, "softmax"), SPARSE, rate, 15, 32, ACCURACY)


@program("model_too_small")
def digits_through_one_unit():
    x, y = data.bundled("digits")
    model = mlp(64, [64, 1], 10, "softmax")
    return Run(x / 16, y, model, SPARSE, "adam", 25, 32, ACCURACY)
