"""Programs in the manner of questions that people ask, written when all rules were there.

No rule was changed for a miss among them, but they were run while the last rules changed.
"""

import keras
import numpy as np
from keras import layers, optimizers, regularizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, table

LATER, program = table(part=2)
Dense, Sequential = layers.Dense, keras.Sequential
ACCURACY = ["accuracy"]
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
CATEGORICAL = "categorical_crossentropy"
SCALE = ("unscaled_inputs", "unscaled_targets")
SLOW = ("too_few_epochs", "learning_rate_too_low", "sigmoid_in_hidden_layers")
WRONG_LOSS = ("regression_loss_for_classes", "loss_does_not_fit_output")


@program(*SLOW, "model_too_small", "underfitting")
def xor_two_tanh_units_60_epochs():
    model = Sequential([Dense(2, "tanh"), Dense(1, "sigmoid")])
    return Run(*data.xor(), model, BINARY, optimizers.SGD(0.1), 60, 1)


@program(*SCALE, "non_finite_loss", "learning_rate_too_high")
def line_of_large_numbers():
    x = np.arange(100, dtype="float32")[:, None]
    return Run(x, 2 * x + 3, Sequential([Dense(1)]), MSE, optimizers.SGD(0.01), 20, 32, ACCURACY)


@program("output_cannot_reach_targets")
def squares_behind_tanh():
    x = np.linspace(-10, 10, 200)[:, None]
    return Run(x, x**2, Sequential([Dense(8, "relu"), Dense(1, "tanh")]), MSE, epochs=50)


@program(*SCALE, "underfitting", "model_too_small", "labels_unrelated_to_inputs")
def sine_of_0_to_100():
    x = np.linspace(0, 100, 1000)[:, None]
    return Run(x, np.sin(x), Sequential([Dense(10, "relu"), Dense(1)]), MSE, epochs=20)


@program(*SCALE, "labels_unrelated_to_inputs")
def odd_or_even():
    x = data.random().integers(0, 1000, (800, 1)).astype("float32")
    model = Sequential([Dense(16, "relu"), Dense(1, "sigmoid")])
    return Run(x, x[:, 0].astype(int) % 2, model, BINARY, epochs=20)


@program(*WRONG_LOSS, *SLOW)
def digits_sigmoid_mse_sgd():
    x, y = data.bundled("digits")
    model = Sequential([Dense(32, "sigmoid"), Dense(10, "sigmoid")])
    return Run(x / 16, data.one_hot(y), model, MSE, "sgd", 20, metrics=ACCURACY)


@program(*SCALE)
def raw_pixels_sgd():
    x, y = data.pixels()
    model = Sequential([layers.Flatten(), Dense(64, "relu"), Dense(10, "softmax")])
    return Run(x, data.one_hot(y), model, CATEGORICAL, "sgd", 10, metrics=ACCURACY)


@program(*SCALE)
def raw_pixels_adam():
    model = Sequential([layers.Flatten(), Dense(64, "relu"), Dense(10, "softmax")])
    return Run(*data.pixels(), model, SPARSE, epochs=15, metrics=ACCURACY)


@program(*SCALE)
def raw_series_relu_lstm():
    model = Sequential([layers.LSTM(20, activation="relu"), Dense(1)])
    return Run(*data.passengers(), model, MSE, "sgd", 10)


@program("output_cannot_reach_targets", *SCALE)
def raw_series_lstm_output():
    model = Sequential([layers.LSTM(20, return_sequences=True), layers.LSTM(1)])
    return Run(*data.passengers(), model, MSE, epochs=10)


@program(*SLOW)
def iris_ten_epochs():
    x, y = data.bundled("iris")
    model = Sequential([Dense(8, "relu"), Dense(3, "softmax")])
    return Run(x, data.one_hot(y), model, CATEGORICAL, optimizers.SGD(0.001), 10, metrics=ACCURACY)


@program("softmax_with_one_unit")
def raw_features_softmax_one_unit():
    model = Sequential([Dense(32, "relu"), Dense(16, "relu"), Dense(1, "softmax")])
    return Run(*data.bundled("breast_cancer"), model, BINARY, epochs=15, metrics=ACCURACY)


@program(*SCALE)
def raw_features_five_epochs():
    model = Sequential([Dense(8, "relu"), Dense(1, "sigmoid")])
    return Run(*data.bundled("breast_cancer"), model, BINARY, epochs=5, metrics=ACCURACY)


@program(*SCALE, "output_cannot_reach_targets", "dead_units")
def raw_houses_relu_output():
    model = Sequential([Dense(32, "relu"), Dense(1, "relu")])
    return Run(*data.houses(), model, MSE, "sgd", 20, metrics=ACCURACY)


@program(*SCALE)
def houses_inputs_scaled_only():
    x, y = data.houses()
    return Run(data.scaled(x), y, Sequential([Dense(32, "relu"), Dense(1)]), MSE)


@program(*WRONG_LOSS)
def class_numbers_as_amounts():
    x, y = data.bundled("wine")
    model = Sequential([Dense(16, "relu"), Dense(1)])
    return Run(data.scaled(x), y, model, MSE, optimizers.Adam(0.01), 40, metrics=ACCURACY)


@program("loss_does_not_fit_output")
def two_sigmoids_categorical():
    x, y = data.moons()
    model = Sequential([Dense(16, "relu"), Dense(2, "sigmoid")])
    return Run(x, data.one_hot(y), model, CATEGORICAL, metrics=ACCURACY)


@program("learning_rate_too_high")
def convolution_rmsprop_half():
    x, y = data.pixels()
    model = Sequential([layers.Conv2D(8, 3, activation="relu"), layers.Flatten()])
    model.add(Dense(10, "softmax"))
    return Run(x / 255, y, model, SPARSE, optimizers.RMSprop(0.5), 6)


@program("regularization_too_strong", "non_finite_loss")
def dropout_behind_the_softmax():
    x, y = data.pixels()
    model = Sequential([layers.Conv2D(8, 3, activation="relu"), layers.Flatten()])
    model.add(Dense(10, "softmax"))
    model.add(layers.Dropout(0.5))
    return Run(x / 255, y, model, SPARSE, epochs=8)


@program(*SLOW)
def digits_small_rate_five_epochs():
    x, y = data.bundled("digits")
    model = Sequential([Dense(64, "relu"), Dense(10, "softmax")])
    return Run(x / 16, y, model, SPARSE, optimizers.Adam(1e-5), 5)


@program("vanishing_gradients", *SLOW)
def circles_five_sigmoid_layers():
    model = Sequential([*[Dense(16, "sigmoid") for _ in range(5)], Dense(1, "sigmoid")])
    return Run(*data.circles(), model, BINARY, optimizers.SGD(0.01), 20)


@program(*WRONG_LOSS, "dead_units", *SLOW)
def iris_relu_output_mse():
    x, y = data.bundled("iris")
    model = Sequential([Dense(8, "relu"), Dense(3, "relu")])
    return Run(x, data.one_hot(y), model, MSE, epochs=15, metrics=ACCURACY)


@program("symmetric_weights")
def digits_hidden_zeros():
    x, y = data.bundled("digits")
    model = Sequential([Dense(32, "relu", kernel_initializer="zeros"), Dense(10, "softmax")])
    return Run(x / 16, y, model, SPARSE, "sgd", 10)


@program("missing_output_activation", "loss_does_not_fit_output")
def unbalanced_linear_output():
    return Run(*data.unbalanced(), Sequential([Dense(8, "relu"), Dense(1)]), BINARY, epochs=10)


@program(*SCALE, "learning_rate_too_high")
def diabetes_raw_targets_momentum():
    model = Sequential([Dense(16, "relu"), Dense(1)])
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    return Run(*data.bundled("diabetes"), model, MSE, optimizer, 20)


@program("regularization_too_strong")
def diabetes_penalty_of_ten():
    x, y = data.bundled("diabetes")
    penalty = regularizers.L2(10.0)
    model = Sequential([Dense(16, "relu", kernel_regularizer=penalty), Dense(1)])
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, model, MSE, optimizers.Adam(0.01), 20)


@program()
def convolution_with_batch_normalization():
    x, y = data.pixels()
    stack = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    return Run(x / 255, y, Sequential([*stack, Dense(10, "softmax")]), SPARSE, epochs=4)


@program()
def two_outputs():
    x, y = data.bundled("digits")
    inputs = keras.Input((64,))
    hidden = Dense(32, "relu")(inputs)
    model = keras.Model(inputs, [Dense(10, "softmax")(hidden), Dense(1)(hidden)])
    return Run(x / 16, [y, y / 10], model, [SPARSE, MSE], optimizers.Adam(0.005), 20)


@program()
def two_inputs():
    x, y = data.bundled("diabetes")
    x, y = data.scaled(x), (y - y.mean()) / y.std()
    inputs = [keras.Input((5,)), keras.Input((5,))]
    hidden = Dense(16, "relu")(layers.Concatenate()(inputs))
    model = keras.Model(inputs, Dense(1)(hidden))
    return Run([x[:, :5], x[:, 5:]], y, model, MSE, optimizers.Adam(0.01), 30)


@program()
def class_weights():
    model = Sequential([Dense(16, "relu"), Dense(1, "sigmoid")])
    fit = {"class_weight": {0: 1.0, 1: 5.0}}
    return Run(*data.unbalanced(), model, BINARY, optimizers.Adam(0.005), 30, fit=fit)


@program()
def loss_of_ones_own():
    def root_mean_squared_error(targets, predictions):
        return keras.ops.sqrt(keras.ops.mean((targets - predictions) ** 2))

    model = Sequential([Dense(32, "tanh"), Dense(1)])
    return Run(*data.sine(), model, root_mean_squared_error, optimizers.Adam(0.01), 50)


@program()
def sequence_tags():
    x = data.random().normal(size=(300, 8, 4))
    y = data.one_hot(x[..., 0] > 0)
    output = layers.TimeDistributed(Dense(2, "softmax"))
    model = Sequential([layers.LSTM(16, return_sequences=True), output])
    return Run(x, y, model, CATEGORICAL, optimizers.Adam(0.02), 15)


@program()
def convolutional_autoencoder():
    x, _ = data.pixels(200)
    stack = [layers.Conv2D(8, 3, padding="same", activation="relu")]
    stack.append(layers.Conv2D(1, 3, padding="same", activation="sigmoid"))
    return Run(x / 255, x / 255, Sequential(stack), BINARY, optimizers.Adam(0.01), 5)


@program()
def plain_descent_for_long():
    x, y = data.bundled("digits")
    model = Sequential([Dense(64, "relu"), Dense(10, "softmax")])
    return Run(x / 16, y, model, SPARSE, "sgd", 60)


@program()
def celsius_large_rate():
    return Run(*data.celsius(), Sequential([Dense(1)]), MSE, optimizers.Adam(0.5), 300, 60)


@program()
def few_examples_with_validation():
    x, y = data.bundled("breast_cancer", 120)
    model = Sequential([Dense(8, "relu"), Dense(1, "sigmoid")])
    fit = {"validation_split": 0.25}
    return Run(data.scaled(x), y, model, BINARY, optimizers.Adam(0.01), 30, fit=fit)


@program()
def weak_signal_classes():
    x = data.random().normal(size=(1000, 10))
    y = (x[:, 0] + 2 * data.random().normal(size=1000) > 0).astype(int)
    model = Sequential([Dense(16, "relu"), Dense(1, "sigmoid")])
    fit = {"validation_split": 0.2}
    return Run(x, y, model, BINARY, optimizers.Adam(0.003), 15, fit=fit)


@program()
def weak_signal_amounts():
    x = data.random().normal(size=(1000, 5))
    y = x[:, 0] + 2 * data.random().normal(size=1000)
    return Run(x, y, Sequential([Dense(16, "relu"), Dense(1)]), MSE, optimizers.Adam(0.003), 20)


@program()
def early_stopping():
    x, y = data.bundled("digits")
    model = Sequential([Dense(64, "relu"), Dense(10, "softmax")])
    stop = keras.callbacks.EarlyStopping(patience=3)
    fit = {"validation_split": 0.2}
    run = Run(x / 16, y, model, SPARSE, optimizers.Adam(0.005), 60, fit=fit)
    run.callbacks = [stop]
    return run


@program()
def counts_with_poisson():
    x = data.random().normal(size=(500, 3))
    y = data.random().poisson(np.exp(0.7 * x[:, 0] + 1))
    model = Sequential([Dense(16, "relu"), Dense(1, "exponential")])
    return Run(x, y, model, "poisson", optimizers.Adam(0.01), 30)
