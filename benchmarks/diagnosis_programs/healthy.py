"""Programs that look odd in one way or another, and learn."""

import keras
import numpy as np
from keras import layers, regularizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, convnet, mlp, table

HEALTHY, program = table()
SGD, Adam, RMSprop = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
CATEGORICAL = "categorical_crossentropy"


def _digits():
    x, y = data.bundled("digits")
    return x / 16, y


def _standard(name):
    x, y = data.bundled(name)
    return data.scaled(x), (y - y.mean()) / y.std() if name == "diabetes" else y


@program()
def deep_tanh_well_initialized():
    model = mlp(64, [32] * 10, 10, "softmax", "tanh", "lecun_normal")
    return Run(*_digits(), model, SPARSE, Adam(0.002), 25)


@program()
def deep_relu_he():
    return Run(
        *_digits(), mlp(64, [32] * 8, 10, "softmax", "relu", "he_normal"), SPARSE, Adam(0.002)
    )


@program()
def very_small_rate_many_epochs():
    return Run(*_standard("iris"), mlp(4, [32], 3, "softmax"), SPARSE, Adam(1e-4), 250, 4)


@program()
def very_large_rate_that_works():
    return Run(*_standard("wine"), mlp(13, [16], 3, "softmax"), SPARSE, SGD(1.0), 40)


@program()
def adam_rate_005_that_works():
    return Run(*_digits(), mlp(64, [64], 10, "softmax"), SPARSE, Adam(0.05), 30)


@program()
def unbalanced_classes():
    return Run(*data.unbalanced(), mlp(12, [32], 1, "sigmoid"), BINARY, Adam(0.005), 30)


@program()
def very_unbalanced_classes():
    return Run(*data.unbalanced(share=0.96), mlp(12, [32], 1, "sigmoid"), BINARY, Adam(0.005), 40)


@program()
def tiny_batches():
    return Run(*_standard("iris"), mlp(4, [16], 3, "softmax"), SPARSE, SGD(0.02), 10, 1)


@program()
def full_batches():
    return Run(*_standard("wine"), mlp(13, [32], 3, "softmax"), SPARSE, Adam(0.02), 100, 200)


@program()
def heavy_dropout():
    model = mlp(64, [256], 10, "softmax", between=lambda: layers.Dropout(0.6))
    return Run(*_digits(), model, SPARSE, Adam(0.003), 30)


@program()
def transfer_with_frozen_layers():
    x, y = _digits()
    model = mlp(64, [64, 64], 10, "softmax")
    model.compile("adam", SPARSE)
    model.fit(x[:300], y[:300] % 10, epochs=15, verbose=0)
    for layer in model.layers[:2]:
        layer.trainable = False
    return Run(x[300:], y[300:], model, SPARSE, Adam(0.005), 20)


@program()
def random_frozen_features():
    model = mlp(64, [256], 10, "softmax")
    model.layers[0].trainable = False
    return Run(*_digits(), model, SPARSE, Adam(0.01), 30)


@program()
def starts_badly_and_recovers():
    initializer = keras.initializers.RandomNormal(stddev=0.6)
    model = mlp(64, [64], 10, "softmax", "relu", initializer)
    return Run(*_digits(), model, SPARSE, Adam(0.005), 50)


@program()
def zero_output_layer():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax", kernel_initializer="zeros"),
        ]
    )
    return Run(*_digits(), model, SPARSE, Adam(0.005), 30)


@program()
def logistic_regression_from_zeros():
    model = mlp(30, [], 1, "sigmoid", initializer="zeros")
    return Run(*_standard("breast_cancer"), model, BINARY, SGD(0.1), 30)


@program()
def linear_regression():
    x = data.random().normal(size=(300, 5)).astype("float32")
    y = x @ np.arange(1.0, 6.0)[:, None] + 3 + 0.3 * data.random().normal(size=(300, 1))
    return Run(x, y, mlp(5, [], 1), MSE, SGD(0.05), 30)


@program()
def linear_hidden_layers_linear_target():
    x = data.random().normal(size=(300, 5)).astype("float32")
    return Run(x, x @ np.ones((5, 2)), mlp(5, [8, 8], 2, None, None), MSE, Adam(0.01), 40)


@program()
def sigmoid_hidden_that_works():
    model = mlp(2, [32], 1, "sigmoid", "sigmoid")
    return Run(*data.moons(), model, BINARY, Adam(0.05), 60)


@program()
def digits_unscaled_but_fine():
    return Run(*data.bundled("digits"), mlp(64, [64], 10, "softmax"), SPARSE, "adam", 30)


@program()
def pixels_with_rescaling():
    first = [layers.Rescaling(1 / 255)]
    return Run(*data.pixels(), convnet((16, 16, 1), 10, first=first), SPARSE, Adam(0.003), 12)


@program()
def wine_with_batch_normalization():
    model = mlp(13, [32], 3, "softmax", first=[layers.BatchNormalization()])
    return Run(*data.bundled("wine"), model, SPARSE, Adam(0.02), 40)


@program()
def large_targets_with_large_rate():
    x, y = data.houses()
    return Run(data.scaled(x), y / 1000, mlp(4, [32], 1), MSE, Adam(0.05), 80)


@program()
def mse_for_classes_that_works():
    x, y = _standard("breast_cancer")
    return Run(x, y, mlp(30, [16], 1, "sigmoid"), MSE, Adam(0.01), 30, metrics=["accuracy"])


@program()
def two_softmax_units_binary_crossentropy():
    x, y = data.moons()
    model = mlp(2, [32], 2, "softmax")
    return Run(x, data.one_hot(y), model, BINARY, Adam(0.02), 60, metrics=["accuracy"])


@program()
def logits_with_from_logits():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(*_digits(), mlp(64, [32], 10), loss, Adam(0.005), 25, metrics=["accuracy"])


@program()
def binary_logits():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return Run(*data.circles(), mlp(2, [32], 1), loss, Adam(0.02), 40)


@program()
def hinge_with_tanh():
    x, y = data.moons()
    return Run(x, 2 * y - 1, mlp(2, [32], 1, "tanh"), "hinge", Adam(0.02), 60)


@program()
def multi_label():
    return Run(*data.tags(), mlp(10, [32], 4, "sigmoid"), BINARY, Adam(0.01), 40)


@program()
def xor_solved():
    return Run(*data.xor(), mlp(2, [8], 1, "sigmoid", "tanh"), BINARY, Adam(0.1), 120, 4)


@program()
def xor_with_mse():
    return Run(*data.xor(), mlp(2, [16], 1, None, "tanh"), MSE, Adam(0.05), 150, 4)


@program()
def sine_with_noise():
    x, y = data.sine()
    y = y + data.random().normal(0, 0.4, y.shape)
    return Run(x, y, mlp(1, [32, 32], 1, None, "tanh"), MSE, Adam(0.01), 40)


@program()
def noisy_diabetes_with_validation():
    model = mlp(10, [16], 1)
    return Run(*_standard("diabetes"), model, MSE, Adam(0.005), 25, fit={"validation_split": 0.2})


@program()
def slight_overfitting():
    model = mlp(30, [32], 1, "sigmoid")
    return Run(
        *_standard("breast_cancer"), model, BINARY, Adam(0.003), 30, fit={"validation_split": 0.3}
    )


@program()
def positive_targets_relu_output():
    x = data.random().normal(size=(300, 5)).astype("float32")
    y = np.abs(x[:, :1]) + 1
    bias = keras.initializers.Ones()
    stack = [layers.Dense(32, "relu"), layers.Dense(1, "relu", bias_initializer=bias)]
    return Run(x, y, keras.Sequential([keras.Input((5,)), *stack]), MSE, Adam(0.01), 50)


@program()
def sigmoid_output_for_shares():
    x = data.random().normal(size=(300, 5)).astype("float32")
    y = 1 / (1 + np.exp(-2 * x[:, :1]))
    return Run(x, y, mlp(5, [16], 1, "sigmoid"), MSE, Adam(0.01), 40)


@program()
def lstm_on_a_wave():
    model = keras.Sequential([keras.Input((20, 1)), layers.LSTM(16), layers.Dense(1)])
    return Run(*data.wave(20, 300), model, MSE, Adam(0.02), 15)


@program()
def gru_on_sums():
    model = keras.Sequential([keras.Input((10, 1)), layers.GRU(8), layers.Dense(1, "sigmoid")])
    return Run(*data.sequence_sums(), model, BINARY, Adam(0.02), 15)


@program()
def embedding_of_words():
    stack = [layers.Embedding(200, 16), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((20,)), *stack, layers.Dense(1, "sigmoid")])
    return Run(*data.reviews(), model, BINARY, Adam(0.02), 20)


@program()
def convolution_in_one_dimension():
    stack = [layers.Conv1D(16, 3, activation="relu"), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((10, 1)), *stack, layers.Dense(1, "sigmoid")])
    return Run(*data.sequence_sums(), model, BINARY, Adam(0.02), 30)


@program()
def strong_but_sensible_penalty():
    penalty = regularizers.L2(0.003)
    hidden = layers.Dense(64, "relu", kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((64,)), hidden, layers.Dense(10, "softmax")])
    return Run(*_digits(), model, SPARSE, Adam(0.005), 30)


@program()
def autoencoder():
    x, _ = _digits()
    model = mlp(64, [32, 16, 32], 64, "sigmoid")
    return Run(x, x, model, MSE, Adam(0.005), 40)


@program()
def autoencoder_binary_crossentropy():
    x, _ = _digits()
    return Run(x, x, mlp(64, [32], 64, "sigmoid"), BINARY, Adam(0.005), 40)


@program()
def residual_functional_model():
    x, y = _digits()
    inputs = keras.Input((64,))
    hidden = layers.Dense(32, "relu")(inputs)
    for _ in range(3):
        hidden = layers.Add()([hidden, layers.Dense(32, "relu")(hidden)])
    model = keras.Model(inputs, layers.Dense(10, "softmax")(hidden))
    return Run(x, y, model, SPARSE, Adam(0.003), 25)


@program()
def separate_softmax_layer():
    model = mlp(64, [32], 10)
    model = keras.Sequential([*model.layers, layers.Activation("softmax")])
    return Run(*_digits(), model, SPARSE, Adam(0.005), 25)


@program()
def decaying_rate_that_ends_near_zero():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 25 * 19)
    return Run(*_digits(), mlp(64, [32], 10, "softmax"), SPARSE, Adam(schedule), 25)


@program()
def resumed_training():
    x, y = _digits()
    model = mlp(64, [32], 10, "softmax")
    model.compile(Adam(0.005), SPARSE)
    model.fit(x, y, epochs=25, verbose=0)
    return Run(x, y, model, SPARSE, Adam(0.001), 3)


@program()
def leaky_units_and_selu():
    stack = [layers.Dense(32), layers.LeakyReLU(), layers.Dense(32, "selu")]
    model = keras.Sequential([keras.Input((64,)), *stack, layers.Dense(10, "softmax")])
    return Run(*_digits(), model, SPARSE, Adam(0.003), 25)


@program()
def few_informative_features():
    x = data.random().normal(size=(500, 40)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    return Run(x, y, mlp(40, [16], 1, "sigmoid"), BINARY, Adam(0.005), 20)


@program()
def huber_with_outliers():
    x, y = data.sine()
    y = y + np.where(data.random().random(y.shape) < 0.03, 4.0, 0.0)
    return Run(x, y, mlp(1, [32], 1, None, "tanh"), "huber", Adam(0.02), 50)


@program()
def sparse_inputs_mostly_zero():
    r = data.random()
    x = (r.random((500, 60)) < 0.05).astype("float32")
    y = (x[:, :20].sum(1) > x[:, 20:40].sum(1)).astype(int)
    return Run(x, y, mlp(60, [32], 1, "sigmoid"), BINARY, Adam(0.01), 30)
