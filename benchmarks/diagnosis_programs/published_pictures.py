"""Published faulty programs on pictures of digits, rebuilt, and their repaired twins.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
Written before the diagnosis was run on any of them.
"""

import keras

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers = keras.layers
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
PUBLISHED_PICTURES, program = table(part=5)
CROSS, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"
MISFIT = ("loss_does_not_fit_output", "missing_output_activation")
FAST = ("learning_rate_too_high", "non_finite_loss", "exploding_gradients")


def _flat(count=900):
    """Digits as rows of 256 bytes."""
    x, y = data.pixels(count)
    return x.reshape(len(x), -1), y


def _wide(size, epochs):
    x, y = _flat(1500)
    model = mlp(256, [500, 120], 10, "softmax", between=lambda: layers.Dropout(0.1))
    sgd = SGD(0.01, momentum=0.9, nesterov=True)
    return Run(x / 255, data.one_hot(y), model, CROSS, sgd, epochs, size, ["accuracy"])


@program("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def wide_layers_in_great_batches():  # SO 44164749
    return _wide(500, 5)


@program()
def wide_layers_in_small_batches():
    return _wide(32, 8)


def _biased_convolutions(output):
    x, y = data.pixels(900)
    bias = keras.initializers.Constant(0.1)
    relu = {"activation": "relu", "bias_initializer": bias}
    model = keras.Sequential(
        [
            keras.Input((256,)),
            layers.Reshape((16, 16, 1)),
            layers.Conv2D(8, 5, padding="same", **relu),
            layers.MaxPooling2D(padding="same"),
            layers.Conv2D(16, 5, padding="same", **relu),
            layers.MaxPooling2D(padding="same"),
            layers.Reshape((1, 256)),
            layers.Dense(128, **relu),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(10, activation=output),
        ]
    )
    x = x.reshape(len(x), -1) / 255
    return Run(x, data.one_hot(y), model, CROSS, "adam", 8, 50, ["accuracy"])


@program(*MISFIT, "dead_units", "output_cannot_reach_targets")
def convolutions_and_ten_relus():  # SO 47352366
    return _biased_convolutions("relu")


@program()
def convolutions_and_a_softmax():
    return _biased_convolutions("softmax")


def _thirty_units(hidden, output, loss, rate, deviation):
    x, y = _flat()
    normal = keras.initializers.RandomNormal(stddev=deviation)
    model = mlp(256, [30], 10, output, hidden, normal)
    return Run(x / 255, data.one_hot(y), model, loss, SGD(rate), 15, 10, ["accuracy"])


@program(
    *FAST,
    "no_hidden_nonlinearity",
    "regression_loss_for_classes",
    "missing_output_activation",
    "initial_weights_too_large",
)
def thirty_units_without_activations():  # SO 48385830
    return _thirty_units(None, None, "mean_squared_error", 3.0, 1.0)


@program()
def thirty_sigmoid_units():
    return _thirty_units("sigmoid", "softmax", CROSS, 0.5, 0.2)


def _slow_rows(scale, output, rate, epochs):
    x, y = _flat()
    model = keras.Sequential(
        [
            keras.Input((256,)),
            layers.Dense(256),
            layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(0.0)),
            layers.Dense(10, activation=output),
        ]
    )
    return Run(x / scale, data.one_hot(y), model, CROSS, SGD(rate), epochs, 32, ["accuracy"])


@program(*MISFIT, "unscaled_inputs", "learning_rate_too_low", "too_few_epochs")
def bytes_and_ten_sigmoids():  # SO 55328966
    return _slow_rows(1, "sigmoid", 0.0001, 10)


@program()
def shares_and_a_softmax():
    return _slow_rows(255, "softmax", 0.05, 15)


def _convolutions_without_activations(y, loss):
    x, labels = data.pixels(900)
    stack = [keras.Input((16, 16, 1))]
    for filters in (16, 8):
        stack += [layers.Conv2D(filters, 3, padding="same"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu")]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
    return Run(x / 255, y(labels), model, loss, "adam", 8, 32, ["accuracy"])


@program("labels_do_not_fit_loss", "constant_targets", "missing_class")
def labels_divided_by_255():  # SO 59325381
    return _convolutions_without_activations(lambda y: y[:, None] / 255, SPARSE)


@program()
def labels_with_one_column_a_class():
    return _convolutions_without_activations(data.one_hot, CROSS)


def _hundred_relus(scale, rate):
    x, y = _flat()
    model = mlp(256, [100], 10, "softmax")
    return Run(x / scale, data.one_hot(y), model, CROSS, SGD(rate), 15, 32, ["accuracy"])


@program("unscaled_inputs", "learning_rate_too_high", "dead_units")
def bytes_and_a_hundred_relus():  # datascience.stackexchange 18667
    return _hundred_relus(1, 0.01)


@program()
def shares_and_a_hundred_relus():
    return _hundred_relus(255, 0.05)


def _keras_example(hidden="relu", loss=CROSS, kernel="glorot_uniform", decay=None):
    x, y = data.pixels(900)
    x, y, validation = data.split(x / 255, data.one_hot(y), 0.8)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=kernel),
            layers.Conv2D(16, 3, activation="relu", kernel_initializer=kernel),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(64, activation=hidden, kernel_regularizer=decay),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    adadelta = keras.optimizers.Adadelta(1.0)
    fit = {"validation_data": validation}
    return Run(x, y, model, loss, adadelta, 10, 32, ["accuracy"], fit)


@program("softmax_in_hidden_layers")
def example_with_a_hidden_softmax():  # the MNIST model of DeepCrime, activation changed
    return _keras_example("softmax")


@program("symmetric_weights", "dead_units", "untrained_layers")
def example_with_kernels_of_zeros():  # the same, initializer changed
    return _keras_example(kernel="zeros")


@program("regularization_too_strong")
def example_with_a_strong_penalty():  # the same, penalty added
    return _keras_example(decay=keras.regularizers.L1(0.1))


@program()
def example_as_it_was():
    return _keras_example()


def _penalized(penalty, share):
    x, y = _flat()
    x, y, validation = data.split(x / 255, data.one_hot(y), 0.8)
    model = keras.Sequential(
        [
            keras.Input((256,)),
            layers.Dense(36, activation="sigmoid", kernel_regularizer=penalty),
            layers.Dropout(share),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, CROSS, keras.optimizers.RMSprop(0.005), 25, 32, ["accuracy"], fit)


@program("regularization_too_strong")
def penalty_and_dropout_at_once():  # "L2 regularization makes the network not learn"
    return _penalized(keras.regularizers.L2(0.1), 0.5)


@program()
def small_penalty_and_dropout():
    return _penalized(keras.regularizers.L2(1e-5), 0.2)


def _zeros_and_softmaxes(kernel, hidden):
    x, y = _flat()
    model = mlp(256, [10], 10, "softmax", hidden, kernel)
    return Run(x / 255, data.one_hot(y), model, CROSS, SGD(0.5), 20, 50, ["accuracy"])


@program("symmetric_weights", "softmax_in_hidden_layers")
def two_softmax_layers_of_zeros():  # a TensorFlow question, "cannot be trained"
    return _zeros_and_softmaxes("zeros", "softmax")


@program()
def a_sigmoid_layer_of_small_numbers():
    return _zeros_and_softmaxes(keras.initializers.TruncatedNormal(stddev=0.1), "sigmoid")
