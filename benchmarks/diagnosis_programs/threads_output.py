"""Questions asked in public about outputs and losses, rebuilt on small data.

Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, convnet, mlp, table, text_model

layers = keras.layers
THREADS_OUTPUT, program = table(part=4)


@program("softmax_with_one_unit")
def sentiment_stuck_at_half():
    x, y = data.reviews()
    fit = {"validation_split": 0.2}
    return Run(
        x, y, text_model(1, "softmax"), "binary_crossentropy", "adam", 5, 32, ["accuracy"], fit
    )


@program("softmax_with_one_unit")
def next_bit_of_a_sequence():
    bits = np.tile([0, 1, 1, 0, 1, 0, 0, 1], 60)
    x = np.lib.stride_tricks.sliding_window_view(bits, 3)[:-1, :, None].astype("float32")
    model = keras.Sequential(
        [keras.Input((3, 1)), layers.LSTM(1), layers.Dense(1, activation="softmax")]
    )
    return Run(x, bits[3:, None], model, "binary_crossentropy", "adagrad", 20, 64, ["accuracy"])


@program("softmax_with_one_unit")
def squares_or_discs_in_a_functional_model():
    x, y, _ = data.shapes()
    inputs = keras.Input((16, 16, 1))
    h = layers.Conv2D(8, 3, activation="relu")(inputs)
    h = layers.MaxPooling2D()(h)
    h = layers.Dropout(0.25)(layers.Flatten()(h))
    h = layers.Dense(32, activation="relu")(h)
    outputs = layers.Activation("softmax")(layers.Dense(1)(h))
    x, y, validation = data.split(x, y)
    model = keras.Model(inputs, outputs)
    fit = {"validation_data": validation}
    return Run(x, y, model, "binary_crossentropy", "rmsprop", 8, 16, ["accuracy"], fit)


@program("labels_do_not_fit_loss", "loss_does_not_fit_output", "output_cannot_reach_targets")
def digits_with_one_sigmoid():
    x, y = data.bundled("digits")
    model = mlp(64, [64], 1, "sigmoid")
    fit = {"validation_split": 0.33}
    return Run(x / 16, y, model, "binary_crossentropy", "adam", 10, 32, ["accuracy"], fit)


@program(
    "labels_do_not_fit_loss",
    "loss_does_not_fit_output",
    "missing_output_activation",
    "unscaled_targets",
)
def price_with_a_loss_below_zero():
    x, y = data.houses()
    model = mlp(4, [64, 64], 1)
    return Run(data.scaled(x), y, model, "binary_crossentropy", "adam", 15, 32, ["accuracy"])


@program("labels_do_not_fit_loss", "loss_does_not_fit_output")
def topics_of_a_text_with_softmax():
    x, y = data.tags()
    model = mlp(10, [64, 32], 4, "softmax", between=lambda: layers.Dropout(0.1))
    sgd = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    return Run(x, y, model, "categorical_crossentropy", sgd, 20, 32, ["accuracy"])


@program("loss_does_not_fit_output")
def fifteen_classes_with_binary_crossentropy():
    x, y = data.bundled("digits")
    model = mlp(64, [64], 10, "softmax")
    return Run(x / 16, data.one_hot(y), model, "binary_crossentropy", "adam", 15, 32, ["accuracy"])


@program("regression_loss_for_classes", "learning_rate_too_low", "too_few_epochs")
def digits_with_squares_and_sgd():
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    return Run(x / 16, data.one_hot(y), model, "mse", "sgd", 15, 32, ["accuracy"])


@program("output_cannot_reach_targets", "dead_units")
def two_x_minus_one_through_relu():
    x = np.linspace(-5, 5, 80, dtype="float32")[:, None]
    return Run(x, 2 * x - 1, mlp(1, [4, 2], 1, "relu"), "mse", "adam", 200, 16)


@program("output_cannot_reach_targets")
def sine_with_a_sigmoid():
    x, y = data.sine()
    return Run(x, y, mlp(1, [32, 32], 1, "sigmoid", "tanh"), "mse", "adam", 80, 32)


@program("unscaled_targets", "unscaled_inputs", "sigmoid_in_hidden_layers", "saturated_units")
def y_is_x_to_the_fourth():
    x = np.arange(-100, 100, 0.5, dtype="float32")[:, None]
    stack = [keras.Input((1,)), layers.Dense(50, activation="sigmoid")]
    stack += [layers.Dense(50, activation="elu"), layers.Dense(1)]
    return Run(x, x**4, keras.Sequential(stack), "mse", "adam", 80, 32)


@program("output_cannot_reach_targets", "unscaled_targets")
def marks_out_of_fifty():
    hours = data.random().uniform(0, 10, (200, 4)).astype("float32")
    y = np.clip(hours @ [1.5, 3.5, -0.5, 0.3] + 10, 0, 50).astype("float32")
    return Run(hours, y, mlp(4, [2], 1, "sigmoid", "sigmoid"), "mse", "adam", 60, 16)


class Classifier(keras.Model):
    """A subclassed model."""

    def __init__(self, units, output):
        super().__init__()
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(64, activation="relu")
        self.top = layers.Dense(units, activation=output)

    def call(self, x):
        """The output."""
        return self.top(self.hidden(self.flatten(x)))


@program("from_logits_mismatch")
def subclassed_with_logits_and_softmax():
    x, y = data.pixels()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x / 255, y, Classifier(10, "softmax"), loss, "adam", 8, 32, ["accuracy"])


@program("missing_output_activation", "loss_does_not_fit_output", "from_logits_mismatch")
def subclassed_without_softmax():
    x, y = data.bundled("wine")
    loss = keras.losses.SparseCategoricalCrossentropy()
    return Run(data.scaled(x), y, Classifier(3, None), loss, "adam", 30, 16, ["accuracy"])


@program("missing_output_activation", "loss_does_not_fit_output", "output_cannot_reach_targets")
def relu_before_the_crossentropy():
    x, y = data.bundled("iris")
    model = mlp(4, [16], 3, "relu")
    return Run(x, data.one_hot(y), model, "categorical_crossentropy", "adam", 60, 10, ["accuracy"])


@program("loss_does_not_fit_output", "labels_do_not_fit_loss")
def categorical_crossentropy_of_one_unit():
    x, y, _ = data.shapes()
    model = convnet((16, 16, 1), 1, "sigmoid")
    return Run(x, y, model, "categorical_crossentropy", "adam", 8, 16, ["accuracy"])


@program("loss_does_not_fit_output", "missing_output_activation", "labels_do_not_fit_loss")
def consumption_with_categorical_crossentropy():
    x, y = data.cars()
    model = mlp(5, [32], 1)
    return Run(data.scaled(x), y, model, "categorical_crossentropy", "adam", 20, 32, ["accuracy"])


@program("labels_do_not_fit_loss", "output_cannot_reach_targets")
def up_or_down_as_plus_and_minus_one():
    x, y = data.sequence_sums()
    model = keras.Sequential(
        [keras.Input((10, 1)), layers.GRU(16), layers.Dense(1, activation="sigmoid")]
    )
    return Run(x, 2 * y - 1, model, "binary_crossentropy", "adam", 15, 32, ["accuracy"])


@program("loss_does_not_fit_output", "missing_output_activation", "output_cannot_reach_targets")
def survivors_with_tanh_output():
    x, y = data.patients()
    model = mlp(8, [16, 8], 1, "tanh")
    fit = {"validation_split": 0.2}
    return Run(data.scaled(x), y, model, "binary_crossentropy", "adam", 25, 32, ["accuracy"], fit)


@program("target_shape_mismatch")
def forecast_of_each_step_with_one_target():
    x, y = data.wave()
    model = keras.Sequential(
        [keras.Input((20, 1)), layers.LSTM(16, return_sequences=True), layers.Dense(1)]
    )
    return Run(x, y, model, "mse", "adam", 15, 32)


class RootMeanSquare(keras.losses.Loss):
    """The square root of the mean square of all differences."""

    def call(self, y_true, y_pred):
        """One number."""
        return keras.ops.sqrt(keras.ops.mean(keras.ops.square(y_true - y_pred)))


@program("target_shape_mismatch")
def custom_root_mean_square_of_a_column():
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    inputs = keras.Input((10,))
    outputs = layers.Dense(1)(layers.Dense(32, activation="relu")(inputs))
    outputs = layers.Reshape((1, 1))(outputs)
    model = keras.Model(inputs, outputs)
    return Run(
        data.scaled(x), y[:, None].astype("float32"), model, RootMeanSquare(), "adam", 30, 32
    )


@program("accuracy_on_regression")
def forecast_with_accuracy_zero():
    x, y = data.wave()
    model = keras.Sequential([keras.Input((20, 1)), layers.LSTM(16), layers.Dense(1)])
    return Run(x, y, model, "mse", "adam", 15, 32, ["accuracy"])


@program("labels_do_not_fit_loss", "output_cannot_reach_targets", "unscaled_targets")
def masks_from_zero_to_255():
    x, _, masks = data.shapes()
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    return Run(x, masks * 255, model, "binary_crossentropy", "adam", 8, 16, ["accuracy"])


@program("output_cannot_reach_targets", "labels_do_not_fit_loss", "unscaled_inputs")
def autoencoder_of_bytes():
    x, _ = data.pixels()
    x = x.reshape(len(x), -1)
    model = mlp(256, [64], 256, "sigmoid")
    return Run(x, x, model, "binary_crossentropy", "adam", 15, 32)


@program("output_cannot_reach_targets")
def autoencoder_of_standard_scores_with_relu():
    x, _ = data.bundled("breast_cancer")
    x = data.scaled(x)
    return Run(x, x, mlp(30, [16, 8, 16], 30, "relu"), "mse", "adam", 40, 32)


@program("output_cannot_reach_targets")
def stock_prices_through_relu():
    x, y = data.wave()
    model = keras.Sequential(
        [keras.Input((20, 1)), layers.LSTM(24), layers.Dense(1, activation="relu")]
    )
    fit = {"validation_split": 0.2, "shuffle": False}
    return Run(x, y, model, "mse", "adam", 20, 10, None, fit)


@program("output_cannot_reach_targets", "stuck_at_trivial_predictor", "underfitting")
def distance_of_twins_in_a_sigmoid():
    x, y = data.bundled("digits")
    other = data.random().permutation(len(x))
    same = (y == y[other]) | (data.random().random(len(x)) < 0.4)
    second = np.where(((y != y[other]) & same)[:, None], x, x[other])
    encoder = keras.Sequential(
        [keras.Input((64,)), layers.Dense(32, activation="relu"), layers.Dense(16)]
    )
    a, b = keras.Input((64,)), keras.Input((64,))
    gap = layers.Subtract()([encoder(a), encoder(b)])
    distance = layers.Lambda(
        lambda t: keras.ops.sqrt(keras.ops.sum(t * t, -1, keepdims=True) + 1e-6), output_shape=(1,)
    )(gap)
    model = keras.Model([a, b], layers.Activation("sigmoid")(distance))
    target = same.astype("float32")
    return Run(
        (x / 16, second / 16), target, model, "binary_crossentropy", "adam", 15, 32, ["accuracy"]
    )


@program("untrained_layers", "stuck_at_trivial_predictor")
def custom_loss_that_forgets_the_truth():
    def squares(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_pred - y_pred), -1)

    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    return Run(
        data.scaled(x), y.astype("float32"), mlp(10, [32], 1), squares, "adam", 20, 32, ["mae"]
    )
