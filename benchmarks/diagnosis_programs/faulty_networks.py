"""Programs whose network, loss, data or initialization is wrong."""

import keras
import numpy as np
from keras import layers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, convnet, mlp, table

FAULTY_NETWORKS, program = table()
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam
BINARY, SPARSE = "binary_crossentropy", "sparse_categorical_crossentropy"
CATEGORICAL, MSE, MAE = "categorical_crossentropy", "mse", "mae"
LOSS_AND_OUTPUT = ("loss_does_not_fit_output", "missing_output_activation")
WRONG_LOSS = ("regression_loss_for_classes", *LOSS_AND_OUTPUT)
SCALE = ("unscaled_inputs", "unscaled_targets")


# Output and loss.
@program("softmax_with_one_unit")
def cancer_softmax_one_unit(broken):
    x, y = data.bundled("breast_cancer")
    model = mlp(30, [16, 8], 1, "softmax" if broken else "sigmoid")
    return Run(data.scaled(x), y, model, BINARY, epochs=15, metrics=["accuracy"])


@program("softmax_with_one_unit")
def xor_softmax_one_unit(broken):
    model = mlp(2, [8], 1, "softmax" if broken else "sigmoid", "tanh")
    return Run(*data.xor(), model, BINARY, Adam(0.05), 150, 4)


@program("softmax_with_one_unit", "loss_does_not_fit_output")
def circles_categorical_one_unit(broken):
    x, y = data.circles()
    loss = CATEGORICAL if broken else BINARY
    return Run(x, y[:, None], mlp(2, [16], 1, "softmax" if broken else "sigmoid"), loss, Adam(0.01))


@program(*LOSS_AND_OUTPUT)
def iris_sigmoid_categorical(broken):
    x, y = data.bundled("iris")
    model = mlp(4, [16], 3, "sigmoid" if broken else "softmax")
    return Run(x, data.one_hot(y), model, CATEGORICAL, Adam(0.02), metrics=["accuracy"])


@program(*LOSS_AND_OUTPUT)
def digits_relu_output(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "relu" if broken else "softmax")
    return Run(x / 16, data.one_hot(y), model, CATEGORICAL, epochs=25, metrics=["accuracy"])


@program(*LOSS_AND_OUTPUT)
def digits_no_output_activation(broken):
    x, y = data.bundled("digits")
    return Run(x / 16, y, mlp(64, [32], 10, None if broken else "softmax"), SPARSE, epochs=25)


@program(*LOSS_AND_OUTPUT)
def moons_linear_output(broken):
    return Run(*data.moons(), mlp(2, [16], 1, None if broken else "sigmoid"), BINARY, Adam(0.02))


@program(*LOSS_AND_OUTPUT)
def moons_tanh_output(broken):
    model = mlp(2, [16], 1, "tanh" if broken else "sigmoid")
    return Run(*data.moons(), model, BINARY, Adam(0.02))


@program(*LOSS_AND_OUTPUT)
def cancer_relu_output_binary(broken):
    x, y = data.bundled("breast_cancer")
    return Run(data.scaled(x), y, mlp(30, [16], 1, "relu" if broken else "sigmoid"), BINARY)


@program(*LOSS_AND_OUTPUT)
def wine_softmax_binary_crossentropy(broken):
    x, y = data.bundled("wine")
    loss = BINARY if broken else CATEGORICAL
    model = mlp(13, [16], 3, "softmax")
    return Run(data.scaled(x), data.one_hot(y), model, loss, metrics=["accuracy"])


@program(*LOSS_AND_OUTPUT)
def tags_softmax_categorical(broken):
    output, loss = ("softmax", CATEGORICAL) if broken else ("sigmoid", BINARY)
    return Run(*data.tags(), mlp(10, [32], 4, output), loss, Adam(0.01))


@program(*LOSS_AND_OUTPUT, "labels_do_not_fit_loss")
def tags_sigmoid_categorical(broken):
    loss = CATEGORICAL if broken else BINARY
    return Run(*data.tags(), mlp(10, [32], 4, "sigmoid"), loss, Adam(0.01))


@program("from_logits_mismatch")
def digits_softmax_from_logits(broken):
    x, y = data.bundled("digits")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x / 16, y, mlp(64, [32], 10, "softmax" if broken else None), loss, epochs=25)


@program("from_logits_mismatch")
def circles_sigmoid_from_logits(broken):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return Run(*data.circles(), mlp(2, [16], 1, "sigmoid" if broken else None), loss, Adam(0.02))


@program("output_cannot_reach_targets", *SCALE)
def houses_sigmoid_output(broken):
    x, y = data.houses()
    y = (y - y.mean()) / y.std() if not broken else y / 1e5
    return Run(data.scaled(x), y, mlp(4, [16], 1, "sigmoid" if broken else None), MSE, Adam(0.01))


@program("output_cannot_reach_targets")
def sine_relu_output(broken):
    return Run(*data.sine(), mlp(1, [32], 1, "relu" if broken else None), MSE, Adam(0.01), 50)


@program("output_cannot_reach_targets")
def sine_sigmoid_output(broken):
    model = mlp(1, [32, 32], 1, "sigmoid" if broken else None, "tanh")
    return Run(*data.sine(), model, MSE, Adam(0.01), 40, metrics=["mae"])


@program("output_cannot_reach_targets")
def diabetes_tanh_output(broken):
    x, y = data.bundled("diabetes")
    y = y / 100 if broken else (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(10, [16], 1, "tanh" if broken else None), MSE, Adam(0.01))


@program("output_cannot_reach_targets", "softmax_with_one_unit")
def diabetes_softmax_output(broken):
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(10, [16], 1, "softmax" if broken else None), MSE, Adam(0.01))


@program("accuracy_on_regression")
def diabetes_accuracy(broken):
    x, y = data.bundled("diabetes")
    metrics = ["accuracy"] if broken else ["mae"]
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(10, [16], 1), MSE, Adam(0.01), metrics=metrics)


@program("accuracy_on_regression", *SCALE)
def houses_accuracy(broken):
    x, y = data.houses()
    metrics = ["accuracy"] if broken else ["mae"]
    return Run(
        data.scaled(x), (y - y.mean()) / y.std(), mlp(4, [32], 1), MSE, Adam(0.01), metrics=metrics
    )


@program(*WRONG_LOSS, "output_cannot_reach_targets", "labels_do_not_fit_loss")
def digits_one_unit_for_ten_classes(broken):
    x, y = data.bundled("digits")
    if broken:
        return Run(x / 16, y, mlp(64, [32], 1, "sigmoid"), MSE, metrics=["accuracy"])
    return Run(x / 16, y, mlp(64, [32], 10, "softmax"), SPARSE, metrics=["accuracy"])


@program(*WRONG_LOSS, "target_shape_mismatch", "labels_do_not_fit_loss")
def iris_softmax_mse_class_numbers(broken):
    x, y = data.bundled("iris")
    model = mlp(4, [16], 3, "softmax")
    if broken:
        return Run(x, y[:, None], model, MSE, Adam(0.02), metrics=["accuracy"])
    return Run(x, y, model, SPARSE, Adam(0.02), metrics=["accuracy"])


@program("labels_do_not_fit_loss")
def moons_labels_minus_one_and_one(broken):
    x, y = data.moons()
    return Run(x, 2 * y - 1 if broken else y, mlp(2, [16], 1, "sigmoid"), BINARY, Adam(0.02))


@program("labels_do_not_fit_loss")
def wine_binary_loss_three_classes(broken):
    x, y = data.bundled("wine")
    output = (1, "sigmoid") if broken else (3, "softmax")
    return Run(data.scaled(x), y, mlp(13, [16], *output), BINARY if broken else SPARSE)


@program("labels_do_not_fit_loss")
def iris_binary_loss_regression_target(broken):
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    loss, output = (BINARY, "sigmoid") if broken else (MSE, None)
    return Run(data.scaled(x), y, mlp(10, [16], 1, output), loss, Adam(0.01), metrics=["mae"])


@program("target_shape_mismatch")
def wave_return_sequences(broken):
    model = keras.Sequential(
        [keras.Input((20, 1)), layers.LSTM(8, return_sequences=broken), layers.Dense(1)]
    )
    return Run(*data.wave(20, 300), model, MSE, Adam(0.02), 12)


@program("target_shape_mismatch")
def diabetes_two_units_for_one_target(broken):
    x, y = data.bundled("diabetes")
    y = ((y - y.mean()) / y.std())[:, None]
    return Run(data.scaled(x), y, mlp(10, [16], 5 if broken else 1), MSE, Adam(0.01))


# Data.
@program("non_finite_data")
def cancer_missing_values(broken):
    x, y = data.bundled("breast_cancer")
    x = data.scaled(x)
    if broken:
        x[data.random().random(x.shape) < 0.02] = np.nan
    return Run(x, y, mlp(30, [16], 1, "sigmoid"), BINARY, epochs=15)


@program("non_finite_data")
def houses_infinite_target(broken):
    x, y = data.houses()
    y = np.log10(y.clip(1)) - 5
    if broken:
        y[data.random().integers(0, len(y), 5)] = -np.inf
    return Run(data.scaled(x), y, mlp(4, [16], 1), MSE, Adam(0.01))


@program(*SCALE)
def cancer_unscaled(broken):
    x, y = data.bundled("breast_cancer")
    model = mlp(30, [12], 1, "sigmoid")
    return Run(x if broken else data.scaled(x), y, model, BINARY, SGD(0.01), 25)


@program(*SCALE, "dead_units", "learning_rate_too_high")
def wine_unscaled(broken):
    x, y = data.bundled("wine")
    return Run(x if broken else data.scaled(x), y, mlp(13, [16], 3, "softmax"), SPARSE, SGD(0.05))


@program(*SCALE)
def pixels_unscaled_convnet(broken):
    x, y = data.pixels()
    return Run(x if broken else x / 255, y, convnet((16, 16, 1), 10), SPARSE, SGD(0.05), 15)


@program(*SCALE)
def pixels_unscaled_sigmoid(broken):
    x, y = data.pixels()
    first = [layers.Flatten()]
    model = mlp((16, 16, 1), [32], 10, "softmax", "tanh", first=first)
    return Run(x if broken else x / 255, y, model, SPARSE, Adam(0.002), 15)


@program(*SCALE)
def houses_raw(broken):
    x, y = data.houses()
    if not broken:
        x, y = data.scaled(x), (y - y.mean()) / y.std()
    return Run(x, y, mlp(4, [16, 16], 1), MSE, epochs=60)


@program(*SCALE)
def houses_raw_inputs_only(broken):
    x, y = data.houses()
    y = (y - y.mean()) / y.std()
    return Run(x if broken else data.scaled(x), y, mlp(4, [16], 1), MSE, SGD(0.01), 40)


@program(*SCALE)
def houses_raw_targets_only(broken):
    x, y = data.houses()
    y = y if broken else (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(4, [16], 1), MAE, "adam", 60)


@program(*SCALE)
def passengers_unscaled_lstm(broken):
    x, y = data.passengers()
    if not broken:
        x, y = (x - 300) / 100, (y - 300) / 100
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(8), layers.Dense(1)])
    return Run(x, y, model, MSE, Adam(0.01), 15)


@program("constant_inputs", "constant_targets")
def pixels_integer_division(broken):
    x, y = data.pixels()
    x = (x.astype(int) // 256).astype("float32") if broken else x / 255
    return Run(x, y, convnet((16, 16, 1), 10), SPARSE, epochs=10)


@program("constant_targets")
def cancer_lost_labels(broken):
    x, y = data.bundled("breast_cancer")
    return Run(data.scaled(x), y * 0 if broken else y, mlp(30, [16], 1, "sigmoid"), BINARY)


@program("labels_unrelated_to_inputs", "overfitting")
def digits_shuffled_labels(broken):
    x, y = data.bundled("digits")
    y = data.random().permutation(y) if broken else y
    return Run(
        x / 16, y, mlp(64, [32], 10, "softmax"), SPARSE, epochs=30, fit={"validation_split": 0.3}
    )


@program("labels_unrelated_to_inputs")
def moons_shuffled_labels(broken):
    x, y = data.moons()
    y = data.random().permutation(y) if broken else y
    return Run(x, y, mlp(2, [8], 1, "sigmoid"), BINARY, Adam(0.01), 40)


@program("unshuffled_data")
def digits_sorted_by_class(broken):
    x, y = data.bundled("digits")
    order = np.argsort(y) if broken else np.arange(len(y))
    model = mlp(64, [32], 10, "softmax")
    return Run(x[order] / 16, y[order], model, SPARSE, SGD(0.1), 8, fit={"shuffle": not broken})


# Initialization and layers.
@program("symmetric_weights")
def digits_zero_weights(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32, 32], 10, "softmax", initializer="zeros" if broken else "he_normal")
    return Run(x / 16, y, model, SPARSE, epochs=15)


@program("symmetric_weights")
def circles_constant_weights(broken):
    initializer = keras.initializers.Constant(0.1) if broken else "glorot_uniform"
    model = mlp(2, [16, 16], 1, "sigmoid", "tanh", initializer)
    return Run(*data.circles(), model, BINARY, Adam(0.01), 40)


@program("symmetric_weights")
def xor_ones(broken):
    model = mlp(2, [8], 1, "sigmoid", "tanh", "ones" if broken else "glorot_normal")
    return Run(*data.xor(), model, BINARY, Adam(0.05), 150, 4)


@program("initial_weights_too_small", "vanishing_gradients")
def digits_tiny_weights_deep(broken):
    x, y = data.bundled("digits")
    initializer = keras.initializers.RandomNormal(stddev=0.003) if broken else "glorot_uniform"
    model = mlp(64, [32] * 6, 10, "softmax", "tanh", initializer)
    return Run(x / 16, y, model, SPARSE, epochs=12)


@program("initial_weights_too_large", "saturated_units")
def cancer_huge_weights(broken):
    x, y = data.bundled("breast_cancer")
    initializer = keras.initializers.RandomNormal(stddev=5.0) if broken else "glorot_uniform"
    model = mlp(30, [32, 32, 32], 1, "sigmoid", "tanh", initializer)
    return Run(data.scaled(x), y, model, BINARY, SGD(0.01), 15)


@program("vanishing_gradients", "sigmoid_in_hidden_layers")
def digits_deep_sigmoid(broken):
    x, y = data.bundled("digits")
    activation = "sigmoid" if broken else "relu"
    model = mlp(64, [32] * 7, 10, "softmax", activation, "he_normal")
    return Run(x / 16, y, model, SPARSE, epochs=15)


@program("sigmoid_in_hidden_layers", "learning_rate_too_low", "too_few_epochs")
def pixels_sigmoid_sgd(broken):
    x, y = data.pixels()
    model = convnet((16, 16, 1), 10, activation="sigmoid" if broken else "relu")
    return Run(x / 255, y, model, SPARSE, SGD(0.05, momentum=0.0 if broken else 0.9), 12)


@program("softmax_in_hidden_layers")
def digits_softmax_hidden(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32, 32], 10, "softmax", "softmax" if broken else "relu")
    return Run(x / 16, y, model, SPARSE, epochs=20)


@program("no_hidden_nonlinearity", "model_too_small", "underfitting")
def circles_linear_hidden(broken):
    model = mlp(2, [16, 16], 1, "sigmoid", None if broken else "relu")
    return Run(*data.circles(), model, BINARY, Adam(0.02), 40)


@program("no_hidden_nonlinearity", "model_too_small", "underfitting")
def xor_single_layer(broken):
    model = mlp(2, [] if broken else [8], 1, "sigmoid", "tanh")
    return Run(*data.xor(), model, BINARY, Adam(0.05), 150, 4)


@program("no_hidden_nonlinearity")
def sine_linear_hidden(broken):
    model = mlp(1, [32, 32], 1, None, None if broken else "tanh")
    return Run(*data.sine(periods=1.5), model, MSE, Adam(0.01), 60)


@program("dead_units", "initial_weights_too_large", "learning_rate_too_high")
def digits_dead_relu(broken):
    x, y = data.bundled("digits")
    bias = keras.initializers.Constant(-20.0 if broken else 0.0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, "relu", bias_initializer=bias),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )
    return Run(x / 16, y, model, SPARSE, epochs=15)


@program("dead_units", "output_cannot_reach_targets")
def sine_dead_output(broken):
    x, y = data.sine()
    bias = keras.initializers.Constant(-8.0 if broken else 0.0)
    output = layers.Dense(1, "relu" if broken else None, bias_initializer=bias)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(32, "tanh"), output])
    return Run(x, y + 1, model, MSE, Adam(0.01), 40)


@program("untrained_layers")
def digits_everything_frozen(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    if broken:
        for layer in model.layers[:-1]:
            layer.trainable = False
        model.layers[-1].trainable = False
    return Run(x / 16, y, model, SPARSE, epochs=20)


@program("untrained_layers", "too_few_epochs", "underfitting")
def circles_hidden_frozen(broken):
    model = mlp(2, [3, 3], 1, "sigmoid", "relu")
    if broken:
        model.layers[0].trainable = model.layers[1].trainable = False
    else:
        model = mlp(2, [16, 16], 1, "sigmoid", "relu")
    return Run(*data.circles(), model, BINARY, Adam(0.02), 40)
