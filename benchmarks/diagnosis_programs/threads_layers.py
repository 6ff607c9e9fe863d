"""Questions asked in public about layers, initial weights and regularization, rebuilt.

Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers = keras.layers
THREADS_LAYERS, program = table(part=4)


@program("sigmoid_in_hidden_layers", "vanishing_gradients")
def eight_sigmoids():
    x, y = data.bundled("digits")
    model = mlp(64, [32] * 8, 10, "softmax", "sigmoid")
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "adam", 12, 32, ["accuracy"])


@program("sigmoid_in_hidden_layers", "vanishing_gradients", "learning_rate_too_low")
def sigmoids_after_convolutions_with_sgd():
    x, y = data.pixels()
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3, activation="sigmoid"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="sigmoid"),
            layers.Flatten(),
            layers.Dense(32, activation="sigmoid"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return Run(x / 255, y, model, "sparse_categorical_crossentropy", "sgd", 8, 32, ["accuracy"])


@program("no_hidden_nonlinearity")
def parabola_without_activations():
    x = data.random().uniform(-1, 1, (300, 2)).astype("float32")
    y = x[:, :1] ** 2 + x[:, 1:] ** 2
    model = mlp(2, [2, 64, 32], 1, None, None)
    adam = keras.optimizers.Adam(0.01)
    return Run(x, y, model, "mse", adam, 40, 32)


@program("no_hidden_nonlinearity", "model_too_small")
def xor_with_one_neuron():
    x, y = data.xor()
    return Run(
        np.tile(x, (50, 1)),
        np.tile(y, (50, 1)),
        mlp(2, [], 1, "sigmoid"),
        "binary_crossentropy",
        "adam",
        60,
        8,
    )


@program("no_hidden_nonlinearity")
def rings_through_linear_convolution():
    x, y = data.circles()
    stack = [keras.Input((2,)), layers.Reshape((2, 1)), layers.Conv1D(8, 2), layers.Flatten()]
    stack += [layers.Dense(16), layers.Dense(1, activation="sigmoid")]
    return Run(x, y, keras.Sequential(stack), "binary_crossentropy", "adam", 40, 32, ["accuracy"])


@program("symmetric_weights")
def all_weights_zero():
    x, y = data.bundled("iris")
    model = mlp(4, [16, 16], 3, "softmax", initializer="zeros")
    return Run(
        data.scaled(x), y, model, "sparse_categorical_crossentropy", "adam", 30, 16, ["accuracy"]
    )


@program("symmetric_weights")
def all_weights_one():
    x, y = data.bundled("wine")
    model = mlp(13, [16], 3, "softmax", "tanh", initializer="ones")
    return Run(
        data.scaled(x), y, model, "sparse_categorical_crossentropy", "sgd", 30, 16, ["accuracy"]
    )


@program("initial_weights_too_large", "saturated_units", "initial_loss_far_from_chance")
def random_normal_of_ten():
    x, y = data.bundled("digits")
    initializer = keras.initializers.RandomNormal(stddev=10)
    model = mlp(64, [64, 32], 10, "softmax", "tanh", initializer)
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "sgd", 15, 32, ["accuracy"])


@program("initial_weights_too_small", "vanishing_gradients", "learning_rate_too_low")
def deep_and_tiny_weights():
    x, y = data.bundled("digits")
    initializer = keras.initializers.RandomNormal(stddev=0.001)
    model = mlp(64, [32] * 5, 10, "softmax", "relu", initializer)
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "sgd", 12, 32, ["accuracy"])


@program("softmax_in_hidden_layers")
def softmax_between_layers():
    x, y = data.bundled("digits")
    model = mlp(64, [64, 32], 10, "softmax", "softmax")
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "adam", 15, 32, ["accuracy"])


@program("softmax_in_hidden_layers")
def price_with_softmax_hidden():
    x, y = data.houses()
    model = mlp(4, [10], 1, None, "softmax")
    return Run(data.scaled(x), data.scaled(y[:, None]), model, "mse", "sgd", 20, 32)


@program("regularization_too_strong")
def dropout_of_nine_tenths():
    x, y = data.bundled("digits")
    model = mlp(64, [32, 32], 10, "softmax", between=lambda: layers.Dropout(0.9))
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "adam", 15, 32, ["accuracy"])


@program("regularization_too_strong")
def penalty_of_one_in_a_convnet():
    x, y = data.pixels()
    l2 = keras.regularizers.L2(1.0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3, activation="relu", kernel_regularizer=l2),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_regularizer=l2),
            layers.Dense(10, activation="softmax", kernel_regularizer=l2),
        ]
    )
    return Run(x / 255, y, model, "sparse_categorical_crossentropy", "adam", 8, 32, ["accuracy"])


@program("regularization_too_strong")
def sparse_autoencoder_that_is_empty():
    x, _ = data.bundled("digits")
    x = x / 16
    stack = [keras.Input((64,))]
    stack += [layers.Dense(32, activation="relu", activity_regularizer=keras.regularizers.L1(0.1))]
    stack += [layers.Dense(64, activation="sigmoid")]
    return Run(x, x, keras.Sequential(stack), "binary_crossentropy", "adam", 30, 32)


@program("learning_rate_too_low", "too_few_epochs", "sigmoid_in_hidden_layers")
def autoencoder_of_blobs():
    x, _ = data.bundled("digits")
    x = x / 16
    model = mlp(64, [32, 16, 32], 64, "sigmoid", "sigmoid")
    return Run(x, x, model, "binary_crossentropy", "sgd", 20, 32)


@program("untrained_layers")
def everything_frozen():
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    for layer in model.layers:
        layer.trainable = False
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "adam", 8, 32, ["accuracy"])


@program("untrained_layers")
def frozen_base_without_weights():
    x, y = data.pixels()
    base = keras.Sequential([keras.Input((16, 16, 1))])
    for filters in (8, 8, 4):
        base.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        base.add(layers.MaxPooling2D())
    base.trainable = False
    inputs = keras.Input((16, 16, 1))
    h = layers.GlobalAveragePooling2D()(base(inputs))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(h))
    x, y, validation = data.split(x / 255, y)
    fit = {"validation_data": validation}
    return Run(x, y, model, "sparse_categorical_crossentropy", "adam", 15, 32, ["accuracy"], fit)


@program("untrained_layers")
def encoder_behind_stop_gradient():
    x, y = data.circles()
    inputs = keras.Input((2,))
    h = layers.Dense(3, activation="relu")(inputs)
    h = layers.Dense(3, activation="relu")(h)
    h = layers.Lambda(lambda t: keras.ops.stop_gradient(t), output_shape=(3,))(h)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(h))
    return Run(x, y, model, "binary_crossentropy", "adam", 40, 32, ["accuracy"])


@program("model_too_small", "underfitting", "dead_units")
def bottleneck_of_one_unit():
    x, y = data.bundled("digits")
    model = mlp(64, [64, 1], 10, "softmax")
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "adam", 15, 32, ["accuracy"])


@program("batch_size_too_small")
def normalized_batches_of_one():
    x, y = data.moons(200)
    model = mlp(2, [16, 16], 1, "sigmoid", between=layers.BatchNormalization)
    return Run(x, y, model, "binary_crossentropy", "adam", 6, 1, ["accuracy"])
