"""Published faulty programs on texts and deep stacks of layers, rebuilt, with repaired twins.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs import published_data as published
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers = keras.layers
SGD, Adam, RMSprop = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop
PUBLISHED_TEXTS, program = table(part=5)
CROSS, BINARY = "categorical_crossentropy", "binary_crossentropy"
SPARSE = "sparse_categorical_crossentropy"
DEEP = ("vanishing_gradients", "sigmoid_in_hidden_layers")


def _wires(units, output, loss):
    x, y = published.topics()
    x, y, validation = data.split(x, y, 0.8)
    inputs = keras.Input((20,), dtype="int32")
    states = layers.Bidirectional(layers.GRU(12, return_sequences=True))(
        layers.Embedding(300, 16)(inputs)
    )
    weights = layers.Softmax(1)(layers.Dense(1, activation="tanh")(states))
    summary = layers.Flatten()(layers.Dot(1)([weights, states]))
    model = keras.Model(inputs, layers.Dense(units, activation=output)(summary))
    fit = {"validation_data": validation}
    return Run(x, y, model, loss, Adam(0.005), 8, 32, ["accuracy"], fit)


@program("labels_do_not_fit_loss", "loss_does_not_fit_output", "output_cannot_reach_targets")
def topics_of_news_one_sigmoid():  # ilivans/tf-rnn-attention issue 10
    return _wires(1, "sigmoid", BINARY)


@program()
def topics_of_news_softmax():
    return _wires(5, "softmax", SPARSE)


def _many_words(count, noise, share, epochs):
    x, y = published.word_counts(count)
    wrong = data.random().random(count) < noise
    x, y, validation = data.split(x, np.where(wrong, 1 - y, y).astype("float32"), 0.6)
    between = (lambda: layers.Dropout(share)) if share else None
    model = mlp(400, [16, 16], 1, "sigmoid", between=between)
    fit = {"validation_data": validation}
    return Run(x, y, model, BINARY, RMSprop(0.003), epochs, 32, ["binary_accuracy"], fit)


@program("overfitting")
def reviews_of_films_by_heart():  # GitHub, MovieReviews_Keras in DeepLocalize, for longer
    return _many_words(400, 0.15, 0, 40)


@program()
def reviews_of_films_with_dropout():
    return _many_words(800, 0, 0.5, 10)


def _messages(count, noise, epochs):
    x, y = data.reviews(count, words=300)
    wrong = data.random().random(count) < noise
    x, y, validation = data.split(x, np.where(wrong, 1 - y, y), 0.7)
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(300, 30),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Bidirectional(layers.LSTM(16)),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, BINARY, Adam(0.003), epochs, 32, ["accuracy"], fit)


@program("overfitting")
def short_messages_by_heart():  # SO 62101315
    return _messages(220, 0.3, 30)


@program()
def more_messages_and_fewer_epochs():
    return _messages(800, 0, 6)


def _documents(activation, output, epochs, rate):
    x, _ = data.wave(8, 300)
    x = np.concatenate([x, x[:, ::-1], -x, 0.5 * x], -1).astype("float32")
    inputs = keras.Input((8, 4))
    h = layers.Dense(6)(layers.GRU(24, activation=activation)(inputs))
    h = layers.GRU(24, activation=activation, return_sequences=True)(layers.RepeatVector(8)(h))
    model = keras.Model(inputs, layers.TimeDistributed(layers.Dense(4, activation=output))(h))
    return Run(x, x, model, "mse", Adam(rate), epochs, 16)


@program("sigmoid_in_hidden_layers", "too_few_epochs", "learning_rate_too_low")
def autoencoder_of_sequences_sigmoid():  # keras-team/keras issue 12646
    return _documents("sigmoid", "tanh", 4, 0.001)


@program()
def autoencoder_of_sequences_tanh():
    return _documents("tanh", "linear", 30, 0.005)


def _lenet(activation, kernel, depth):
    x, y = data.pixels(600)
    small = {"kernel_initializer": kernel, "kernel_regularizer": keras.regularizers.L2(1e-4)}
    stack = [keras.Input((16, 16, 1))]
    for filters in (6, 16):
        stack.append(layers.Conv2D(filters, 3, activation=activation, **small))
        stack.append(layers.MaxPooling2D())
    stack.append(layers.Flatten())
    stack += [layers.Dense(64, activation=activation, **small) for _ in range(depth)]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax", **small)])
    return Run(x / 255, data.one_hot(y), model, CROSS, "adam", 12, 32, ["accuracy"])


@program(*DEEP)
def lenet_with_eight_sigmoid_layers():  # AUTOTRAINER, vanishing gradients on MNIST
    return _lenet("sigmoid", "he_normal", 8)


@program("initial_weights_too_small", "vanishing_gradients", "dead_units")
def lenet_with_sixteen_small_relu_layers():  # AUTOTRAINER, dying units on MNIST
    return _lenet("relu", "random_uniform", 16)


@program()
def lenet_with_two_relu_layers():
    return _lenet("relu", "he_normal", 2)


def _blobs(activation, output, depth, width, optimizer, epochs):
    x, y = data.blobs(500, 3, 2)
    x, y, validation = data.split(x, data.one_hot(y), 0.8)
    model = mlp(2, [width] * depth, 3, output, activation, "he_uniform")
    fit = {"validation_data": validation}
    return Run(x, y, model, CROSS, optimizer, epochs, 32, ["accuracy"], fit)


@program("exploding_gradients", "non_finite_loss", "unscaled_inputs")
def blobs_through_nine_exponentials():  # AUTOTRAINER, exploding gradients
    return _blobs("exponential", "softmax", 9, 5, SGD(0.01), 15)


@program("dead_units", "vanishing_gradients", "loss_does_not_fit_output", "model_too_small")
def blobs_through_fifteen_narrow_layers():  # AUTOTRAINER, dying units
    return _blobs("relu", "sigmoid", 15, 5, SGD(0.01), 15)


@program(
    "missing_output_activation",
    "loss_does_not_fit_output",
    "output_cannot_reach_targets",
    "dead_units",
    "non_finite_loss",
)
def blobs_and_three_relus():  # AUTOTRAINER, improper activation
    return _blobs("relu", "relu", 4, 50, Adam(0.0003), 25)


@program()
def blobs_and_a_softmax():
    return _blobs("relu", "softmax", 4, 50, Adam(0.0003), 25)


def _rings(optimizer, epochs, hidden=(8, 8), activation="relu"):
    x, y = data.circles(500)
    model = mlp(2, hidden, 1, "sigmoid", activation)
    fit = {"validation_split": 0.2}
    return Run(x, y, model, BINARY, optimizer, epochs, 16, ["accuracy"], fit)


@program("learning_rate_too_high", "dead_units")
def rings_with_an_oscillating_loss():  # AUTOTRAINER, oscillating loss
    return _rings(SGD(5.0, momentum=0.9), 25)


@program("learning_rate_too_low", "too_few_epochs")
def rings_that_hardly_move():  # AUTOTRAINER, slow convergence
    return _rings(SGD(0.0005), 20)


@program(*DEEP)
def rings_through_seven_sigmoid_layers():  # AUTOTRAINER, vanishing gradients
    return _rings(SGD(0.1), 25, [8] * 7, "sigmoid")


@program()
def rings_with_adam():
    return _rings(Adam(0.01), 25)


def _sorted_digits(ordered):
    x, y = data.bundled("digits", 900)
    rows = np.argsort(y, kind="stable") if ordered else np.arange(len(y))
    model = mlp(64, [64], 10, "softmax")
    fit = {"validation_split": 0.2}
    return Run(x[rows] / 16, y[rows], model, SPARSE, "adam", 15, 32, ["accuracy"], fit)


@program("missing_class", "unshuffled_data", "overfitting")
def validation_is_the_last_class():  # keras-team/keras issues 8346 and 4298
    return _sorted_digits(True)


@program()
def validation_of_every_class():
    return _sorted_digits(False)
