"""What people run with tables of numbers and what works, odd as some of it looks.

Written before the diagnosis was run on any of it; each was seen to learn what can be learned.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, mlp, table

layers = keras.layers
WORKS_TABLES, program = table(part=4)
SPARSE = "sparse_categorical_crossentropy"


@program()
def miles_per_gallon_with_normalization():
    x, y = data.cars()
    normalization = layers.Normalization()
    normalization.adapt(x)
    model = mlp(5, [64, 64], 1, first=[normalization])
    stop = keras.callbacks.EarlyStopping(patience=10)
    run = Run(x, y, model, "mae", keras.optimizers.Adam(0.001), 100, 32)
    run.fit, run.callbacks = {"validation_split": 0.2}, [stop]
    return run


@program()
def diabetes_as_good_as_it_gets():
    x, y = data.bundled("diabetes")
    y = ((y - y.mean()) / y.std()).astype("float32")
    x, y, validation = data.split(data.scaled(x), y)
    model = mlp(10, [16], 1)
    return Run(x, y, model, "mse", "adam", 40, 16, ["mae"], {"validation_data": validation})


@program()
def first_network_of_the_tutorial():
    x, y = data.patients(768)
    return Run(
        x, y, mlp(8, [12, 8], 1, "sigmoid"), "binary_crossentropy", "adam", 80, 10, ["accuracy"]
    )


@program()
def flowers_in_centimetres():
    x, y = data.bundled("iris")
    return Run(
        x,
        data.one_hot(y),
        mlp(4, [8], 3, "softmax"),
        "categorical_crossentropy",
        "adam",
        80,
        5,
        ["accuracy"],
    )


@program()
def wine_with_two_tanh_layers():
    x, y = data.bundled("wine")
    model = mlp(13, [16, 16], 3, "softmax", "tanh")
    return Run(data.scaled(x), y, model, SPARSE, keras.optimizers.SGD(0.05), 30, 16, ["accuracy"])


@program()
def tumours_with_class_weights():
    x, y = data.bundled("breast_cancer")
    metrics = [keras.metrics.AUC(), keras.metrics.Recall(), keras.metrics.Precision()]
    fit = {"class_weight": {0: 1.4, 1: 0.8}, "validation_split": 0.2}
    model = mlp(30, [16], 1, "sigmoid", between=lambda: layers.Dropout(0.5))
    return Run(data.scaled(x), y, model, "binary_crossentropy", "adam", 20, 32, metrics, fit)


@program()
def rare_fraud_weighted():
    x, y = data.unbalanced(1500, 0.95)
    fit = {"class_weight": {0: 1.0, 1: 15.0}}
    model = mlp(12, [32, 16], 1, "sigmoid")
    return Run(
        data.scaled(x), y, model, "binary_crossentropy", "adam", 20, 64, [keras.metrics.AUC()], fit
    )


@program()
def several_tags_with_sigmoids():
    x, y = data.tags(800)
    model = mlp(10, [32], 4, "sigmoid")
    return Run(x, y, model, "binary_crossentropy", "adam", 25, 32, ["binary_accuracy"])


@program()
def two_units_for_two_classes():
    x, y = data.moons()
    model = mlp(2, [32, 32], 2, "softmax")
    return Run(
        x,
        data.one_hot(y),
        model,
        "categorical_crossentropy",
        keras.optimizers.Adam(0.01),
        25,
        32,
        ["accuracy"],
    )


def pretrained():
    """Layers that know the digits 0 to 4."""
    x, y = data.bundled("digits", 1500)
    base = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
        ]
    )
    model = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    model.compile("adam", SPARSE)
    model.fit(x[y < 5] / 16, y[y < 5], epochs=10, verbose=0)
    return base, x[y >= 5] / 16, y[y >= 5] - 5


@program()
def new_head_on_frozen_layers():
    base, x, y = pretrained()
    base.trainable = False
    inputs = keras.Input((64,))
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(base(inputs, training=False)))
    return Run(x, y, model, SPARSE, keras.optimizers.Adam(0.01), 40, 32, ["accuracy"])


@program()
def careful_tuning_of_everything():
    base, x, y = pretrained()
    model = keras.Sequential([base, layers.Dense(5, activation="softmax")])
    base.trainable = False
    model.compile("adam", SPARSE)
    model.fit(x, y, epochs=15, verbose=0)
    base.trainable = True
    return Run(x, y, model, SPARSE, keras.optimizers.Adam(5e-4), 20, 32, ["accuracy"])


@program()
def softmax_regression_with_large_steps():
    x, y = data.bundled("digits")
    return Run(
        x / 16,
        y,
        mlp(64, [], 10, "softmax"),
        SPARSE,
        keras.optimizers.SGD(0.5),
        20,
        32,
        ["accuracy"],
    )


@program()
def large_steps_with_normalization():
    x, y = data.bundled("digits")
    model = mlp(64, [64], 10, "softmax", between=layers.BatchNormalization)
    return Run(x / 16, y, model, SPARSE, keras.optimizers.Adam(0.03), 15, 32, ["accuracy"])


@program()
def ten_layers_of_tanh():
    x, y = data.moons()
    return Run(
        x,
        y,
        mlp(2, [16] * 10, 1, "sigmoid", "tanh"),
        "binary_crossentropy",
        "adam",
        40,
        32,
        ["accuracy"],
    )


@program()
def self_normalizing_network():
    x, y = data.bundled("breast_cancer")
    model = mlp(
        30, [32, 32, 32], 1, "sigmoid", "selu", "lecun_normal", lambda: layers.AlphaDropout(0.1)
    )
    return Run(
        data.scaled(x),
        y,
        model,
        "binary_crossentropy",
        keras.optimizers.SGD(0.01, momentum=0.9),
        20,
        32,
        ["accuracy"],
    )


@program()
def one_neuron_for_fahrenheit():
    x, y = data.celsius()
    return Run(x, y, mlp(1, [], 1), "mse", keras.optimizers.Adam(0.5), 250, 20)


@program()
def logistic_regression():
    x, y = data.unbalanced(600, 0.6)
    return Run(
        data.scaled(x),
        y,
        mlp(12, [], 1, "sigmoid"),
        "binary_crossentropy",
        keras.optimizers.SGD(0.1),
        30,
        32,
        ["accuracy"],
    )


@program()
def counts_with_poisson_loss():
    r = data.random()
    x = r.normal(size=(500, 4)).astype("float32")
    y = r.poisson(np.exp(0.5 + x @ [0.6, -0.4, 0.3, 0])).astype("float32")
    model = mlp(4, [16], 1, "exponential")
    return Run(x, y, model, "poisson", "adam", 30, 32)


@program()
def outliers_with_huber_loss():
    r = data.random()
    x = r.normal(size=(400, 5)).astype("float32")
    y = (x @ [1, -2, 0.5, 0, 1]).astype("float32") + r.normal(0, 0.3, 400).astype("float32")
    y[r.random(400) < 0.03] += 20
    return Run(x, y, mlp(5, [32], 1), "huber", "adam", 40, 32, ["mae"])


@program()
def quality_on_a_scale():
    r = data.random()
    x = r.normal(size=(500, 8)).astype("float32")
    y = np.clip(np.round(5.5 + x @ [0.6, 0.4, 0, 0, -0.3, 0.2, 0, 0] + r.normal(0, 0.6, 500)), 3, 9)
    return Run(
        x,
        y.astype("float32"),
        mlp(8, [32, 16], 1),
        "mse",
        keras.optimizers.Adam(0.005),
        40,
        32,
        ["mae"],
        {"validation_split": 0.2},
    )


@program()
def xor_with_eight_tanh():
    x, y = data.xor()
    return Run(
        x,
        y,
        mlp(2, [8], 1, "sigmoid", "tanh"),
        "binary_crossentropy",
        keras.optimizers.Adam(0.1),
        100,
        4,
        ["accuracy"],
    )


@program()
def twenty_points_on_a_line():
    r = data.random()
    x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
    y = 3 * x + 0.5 + r.normal(0, 0.2, x.shape).astype("float32")
    return Run(x, y, mlp(1, [8], 1), "mse", keras.optimizers.Adam(0.02), 100, 5)


@program()
def weighted_examples():
    x, y = data.patients()
    fit = {"sample_weight": np.where(y == 1, 2.0, 1.0)}
    model = mlp(8, [16], 1, "sigmoid")
    return Run(data.scaled(x), y, model, "binary_crossentropy", "adam", 40, 32, ["accuracy"], fit)
