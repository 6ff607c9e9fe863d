"""Published faulty programs that predict numbers, rebuilt, and their repaired twins.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs import published_data as published
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers, ops = keras.layers, keras.ops
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
PUBLISHED_NUMBERS, program = table(part=5)
FAST = ("learning_rate_too_high", "non_finite_loss", "exploding_gradients")
LOW = ("learning_rate_too_low", "too_few_epochs")


def _weighted_sums(scale, output, share, rate):
    x = data.random().uniform(0, 10000, (1500, 3)).astype("float32")
    y = scale((x @ [2.0, 1.0, 0.5] + 2.2)[:, None])[:, 0].astype("float32")
    between = (lambda: layers.Dropout(share)) if share else None
    model = mlp(3, [3, 2], 1, output, "tanh", "random_uniform", between)
    sgd = SGD(rate, momentum=0.9, nesterov=True)
    metrics = ["accuracy"] if share else None
    return Run(scale(x), y, model, "mean_squared_error", sgd, 20, 32, metrics)


@program(
    "softmax_with_one_unit",
    "output_cannot_reach_targets",
    "unscaled_targets",
    "unscaled_inputs",
    "accuracy_on_regression",
)
def weighted_sums_softmax():  # SO 33969059
    return _weighted_sums(lambda x: x, "softmax", 0.5, 0.1)


@program()
def weighted_sums_scaled():
    return _weighted_sums(data.scaled, None, 0, 0.05)


def _spots(activation, rate, metrics):
    x, y = published.keypoints()
    model = mlp(256, [50, 100], 4, None, activation)
    return Run(x.reshape(len(x), -1), y, model, "mse", Adam(rate), 40, 32, metrics)


@program("learning_rate_too_high", "accuracy_on_regression", "no_hidden_nonlinearity")
def spots_of_a_face_linear_layers():  # GitHub, FacialKeypointsDetection in DeepLocalize
    return _spots(None, 0.1, ["accuracy"])


@program()
def spots_of_a_face_relu():
    return _spots("relu", 0.001, ["mae"])


def _prices(scale, rate):
    x, y = data.houses()
    y = scale(y[:, None])[:, 0].astype("float32")
    model = mlp(4, [64, 32], 1)
    fit = {"validation_split": 0.2}
    return Run(data.scaled(x), y, model, "mean_squared_error", SGD(rate), 25, 16, ["mae"], fit)


@program("unscaled_targets", *FAST)
def prices_with_squares_and_sgd():  # rstudio-conf-2020/dl-keras-tf issue 9
    return _prices(lambda y: y, 0.1)


@program()
def prices_scaled_and_sgd():
    return _prices(data.scaled, 0.01)


def _housing(scale, metrics):
    x, y = data.cars()
    kernel = "random_normal"
    model = mlp(5, [13], 1, initializer=kernel)
    return Run(scale(x), y, model, "mean_squared_error", Adam(0.003), 40, 5, metrics)


@program("accuracy_on_regression", "unscaled_inputs")
def housing_with_accuracy():  # SO 48775305
    return _housing(lambda x: x, ["accuracy"])


@program()
def housing_with_absolute_error():
    return _housing(data.scaled, ["mae"])


def _linear_autoencoder(optimizer, activation, output):
    x, _ = data.bundled("digits")
    x, _, (held, _) = data.split(x / 16, x)
    model = mlp(64, [32], 64, output, activation)
    fit = {"validation_data": (held, held)}
    return Run(x, x, model, "mse", optimizer, 20, 32, None, fit)


@program(*LOW)
def autoencoder_by_slow_descent():  # keras-team/keras issue 1604
    return _linear_autoencoder(SGD(0.001, momentum=0.1), None, None)


@program()
def autoencoder_by_adam():
    return _linear_autoencoder(Adam(0.003), "relu", "sigmoid")


def _plain_logarithms(y_true, y_pred):
    cross = y_true * ops.log(y_pred) + (1 - y_true) * ops.log(1 - y_pred)
    return -ops.mean(cross, -1)


def _safe_logarithms(y_true, y_pred):
    return _plain_logarithms(y_true, ops.clip(y_pred, 1e-6, 1 - 1e-6))


def _own_crossentropy(loss):
    x, y = data.blobs(400, 2, 6)
    model = mlp(6, [32, 32], 1, "sigmoid")
    y = y[:, None].astype("float32")
    return Run(x, y, model, loss, Adam(0.005), 30, 16, ["binary_accuracy"])


@program("non_finite_loss")
def crossentropy_with_plain_logarithms():  # SO 48951109
    return _own_crossentropy(_plain_logarithms)


@program()
def crossentropy_with_clipped_logarithms():
    return _own_crossentropy(_safe_logarithms)


def _films(initializer, rate=0.005):
    inputs, stars = data.ratings(2000)
    share = (stars - 1) / 4
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")

    def embedding(count, size):
        small = keras.regularizers.L2(1e-6)
        return layers.Embedding(count, size, initializer, small)

    product = layers.Dot(2)([embedding(30, 16)(user), embedding(20, 16)(item)])
    biases = [layers.Embedding(30, 1)(user), layers.Embedding(20, 1)(item)]
    total = layers.Flatten()(layers.Add()([product, *biases]))
    model = keras.Model([user, item], layers.Activation("sigmoid")(total))
    fit = {"validation_split": 0.1}
    loss = "binary_crossentropy"
    return Run(inputs, share[:, None], model, loss, Adam(rate), 12, 64, ["mae"], fit)


@program("symmetric_weights", "untrained_layers", "vanishing_gradients", "underfitting")
def films_with_embeddings_of_zeros():  # the recommender of DeepCrime, initializer changed
    return _films("zeros")


@program()
def films_as_they_were():
    return _films("he_normal")


def _steering(rate, epochs):
    x, y = published.keypoints(500)
    x = np.clip(255 * x, 0, 255)[..., None]
    x, y, validation = data.split(x, y[:, 1:2], 0.8)
    stack = [keras.Input((16, 16, 1)), layers.Lambda(lambda t: t / 127.5 - 1.0)]
    for filters, stride in ((12, 2), (18, 1), (24, 1)):
        stack.append(layers.Conv2D(filters, 3, stride, activation="elu"))
    stack += [layers.Dropout(0.2), layers.Flatten()]
    stack += [layers.Dense(width, activation="elu") for width in (50, 10)]
    model = keras.Sequential([*stack, layers.Dense(1)])
    fit = {"validation_data": validation}
    return Run(x, y, model, "mean_squared_error", Adam(rate), epochs, 32, None, fit)


@program(*LOW)
def steering_with_a_rate_too_low():  # the driving model of DeepCrime, rate changed
    return _steering(1e-6, 15)


@program()
def steering_as_it_was():
    return _steering(1e-3, 15)


def _selu_prices(scale, epochs):
    x, y = data.houses(300)
    y = scale(y[:, None])[:, 0].astype("float32")
    model = mlp(4, [20, 20], 1, None, "selu", "lecun_normal")
    fit = {"validation_split": 0.2}
    return Run(data.scaled(x), y, model, "mean_squared_error", "adam", epochs, 4, None, fit)


@program("unscaled_targets", "too_few_epochs", "learning_rate_too_low")
def sale_prices_selu():  # GitHub, kaggle-melbourne_properties in DeepLocalize
    return _selu_prices(lambda y: y, 10)


@program()
def sale_prices_selu_scaled():
    return _selu_prices(data.scaled, 20)


def _means(metrics):
    r = data.random()
    level = r.integers(0, 2, 400)
    x = r.normal(level[:, None, None], 1, (400, 10, 2)).astype("float32")
    y = (0.5 * level + 0.1 * x.mean((1, 2)) + 0.1).astype("float32")
    model = keras.Sequential([keras.Input((None, 2)), layers.LSTM(8), layers.Dense(1)])
    fit = {"validation_split": 0.2}
    return Run(x, y, model, "mse", Adam(0.005), 15, 16, metrics, fit)


@program("accuracy_on_regression")
def means_of_sequences_with_accuracy():  # datascience.stackexchange 49109
    return _means(["accuracy"])


@program()
def means_of_sequences_with_absolute_error():
    return _means(["mae"])
