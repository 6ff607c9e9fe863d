"""Questions asked in public about optimizers, epochs and overfitting, rebuilt on small data.

Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, convnet, mlp, table

layers = keras.layers
THREADS_TRAINING, program = table(part=4)


@program("learning_rate_too_high", "dead_units")
def convnet_stuck_at_ten_percent():
    x, y = data.pixels()
    x, y, validation = data.split(x / 255, y)
    adam = keras.optimizers.Adam(0.1)
    fit = {"validation_data": validation}
    model = convnet((16, 16, 1), 10)
    return Run(x, y, model, "sparse_categorical_crossentropy", adam, 8, 32, ["accuracy"], fit)


@program("learning_rate_too_low")
def text_with_tiny_steps():
    x, y = data.reviews()
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(200, 16),
            layers.GRU(16),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    sgd = keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True)
    fit = {"validation_split": 0.2}
    return Run(x, y, model, "binary_crossentropy", sgd, 8, 10, ["accuracy"], fit)


@program("learning_rate_too_high")
def recurrent_network_with_adam_of_one():
    x, y = data.sequence_sums()
    model = keras.Sequential(
        [keras.Input((10, 1)), layers.LSTM(16), layers.Dense(1, activation="sigmoid")]
    )
    adam = keras.optimizers.Adam(1.0)
    return Run(x, y, model, "binary_crossentropy", adam, 15, 32, ["accuracy"])


@program("learning_rate_too_low", "too_few_epochs")
def plateau_callback_without_patience():
    x, y = data.bundled("digits")
    x, y, validation = data.split(x / 16, y)
    reduce = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.1, patience=1, min_delta=0.5
    )
    model = mlp(64, [32], 10, "softmax")
    sgd = keras.optimizers.SGD(0.01)
    run = Run(x, y, model, "sparse_categorical_crossentropy", sgd, 15, 32, ["accuracy"])
    run.fit, run.callbacks = {"validation_data": validation}, [reduce]
    return run


@program("learning_rate_too_low", "too_few_epochs")
def schedule_that_decays_every_step():
    x, y = data.moons()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 1, 0.9)
    adam = keras.optimizers.Adam(schedule)
    return Run(
        x, y, mlp(2, [16, 16], 1, "sigmoid"), "binary_crossentropy", adam, 30, 32, ["accuracy"]
    )


@program(
    "non_finite_loss",
    "learning_rate_too_high",
    "exploding_gradients",
    "unscaled_inputs",
    "unscaled_targets",
)
def price_becomes_nan():
    x, y = data.houses()
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    return Run(x, y, mlp(4, [32, 32], 1), "mse", sgd, 10, 32, ["mae"])


@program("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def one_batch_of_everything():
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    return Run(x / 16, y, model, "sparse_categorical_crossentropy", "sgd", 20, 600, ["accuracy"])


@program("too_few_epochs", "learning_rate_too_low")
def one_epoch_of_the_sine():
    x, y = data.sine()
    return Run(x, y, mlp(1, [32, 32], 1, None, "tanh"), "mse", "adam", 2, 64)


@program("learning_rate_too_low")
def adadelta_as_in_the_old_example():
    x, y = data.pixels()
    x, y, validation = data.split(x / 255, data.one_hot(y))
    fit = {"validation_data": validation}
    model = convnet((16, 16, 1), 10)
    return Run(x, y, model, "categorical_crossentropy", "adadelta", 6, 32, ["accuracy"], fit)


@program("overfitting")
def text_learned_by_heart():
    x, y = data.reviews(160, words=400)
    y = np.where(data.random().random(len(y)) < 0.25, 1 - y, y)
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(400, 64),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    fit = {"validation_split": 0.25}
    return Run(x, y, model, "binary_crossentropy", "adam", 30, 16, ["accuracy"], fit)


@program("overfitting")
def few_pictures_and_many_weights():
    x, y, _ = data.shapes(80)
    y = np.where(data.random().random(len(y)) < 0.15, 1 - y, y)
    x, y, validation = data.split(x, y, 0.5)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, "sparse_categorical_crossentropy", "adam", 60, 8, ["accuracy"], fit)


@program("exploding_gradients", "non_finite_loss", "learning_rate_too_high")
def relu_in_a_long_recurrence():
    x, y = data.signals(length=60)
    model = keras.Sequential(
        [
            keras.Input((60, 1)),
            layers.SimpleRNN(32, activation="relu", recurrent_initializer="he_normal"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    sgd = keras.optimizers.SGD(0.1)
    return Run(x, y, model, "sparse_categorical_crossentropy", sgd, 12, 32, ["accuracy"])


@program("vanishing_gradients", "underfitting", "stuck_at_trivial_predictor", "too_few_epochs")
def first_of_many_steps():
    r = data.random()
    x = r.normal(0, 0.3, (400, 150, 1)).astype("float32")
    y = r.integers(0, 2, 400)
    x[:, 0, 0] = 2 * y - 1
    model = keras.Sequential(
        [keras.Input((150, 1)), layers.SimpleRNN(8), layers.Dense(1, activation="sigmoid")]
    )
    return Run(x, y, model, "binary_crossentropy", "sgd", 8, 32, ["accuracy"])


@program("learning_rate_too_low", "too_few_epochs", "stuck_at_trivial_predictor", "underfitting")
def segments_all_background():
    x, _, masks = data.shapes()
    inputs = keras.Input((16, 16, 1))
    down = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    h = layers.MaxPooling2D()(down)
    h = layers.Conv2D(16, 3, padding="same", activation="relu")(h)
    h = layers.concatenate([layers.UpSampling2D()(h), down])
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(h))
    sgd = keras.optimizers.SGD(1e-3)
    return Run(x, masks, model, "binary_crossentropy", sgd, 8, 16, ["accuracy"])


@program("learning_rate_too_low", "too_few_epochs", "stuck_at_trivial_predictor")
def fraud_never_predicted():
    x, y = data.unbalanced(share=0.95)
    model = mlp(12, [16], 1, "sigmoid")
    sgd = keras.optimizers.SGD(1e-3)
    return Run(x, y, model, "binary_crossentropy", sgd, 12, 32, ["accuracy"])


@program("dead_units", "learning_rate_too_high")
def relu_bias_far_below_zero():
    x, y = data.bundled("breast_cancer")
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(32, activation="relu", bias_initializer=keras.initializers.Constant(-20)),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return Run(data.scaled(x), y, model, "binary_crossentropy", "adam", 15, 32, ["accuracy"])


@program("learning_rate_too_high")
def fizzbuzz_with_great_steps():
    numbers = np.arange(1, 600)
    x = (numbers[:, None] >> np.arange(10)) & 1
    y = (numbers % 3 == 0) + 2 * (numbers % 5 == 0)
    sgd = keras.optimizers.SGD(2.0)
    model = mlp(10, [64, 64], 4, "softmax")
    return Run(
        x.astype("float32"), y, model, "sparse_categorical_crossentropy", sgd, 30, 32, ["accuracy"]
    )


@program("learning_rate_too_low", "too_few_epochs")
def gradients_clipped_to_nothing():
    x, y = data.wave()
    model = keras.Sequential([keras.Input((20, 1)), layers.GRU(16), layers.Dense(1)])
    sgd = keras.optimizers.SGD(0.01, clipvalue=1e-3)
    return Run(x, y, model, "mse", sgd, 12, 32)


@program("regularization_too_strong")
def dropout_after_the_output():
    x, y = data.bundled("wine")
    model = mlp(13, [32], 3, "softmax")
    model.add(layers.Dropout(0.5))
    return Run(
        data.scaled(x), y, model, "sparse_categorical_crossentropy", "adam", 30, 16, ["accuracy"]
    )
