"""Published faulty programs on colours, boards and masks, rebuilt, and their repaired twins.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
Written before the diagnosis was run on any of them.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs import published_data as published
from benchmarks.diagnosis_programs.program import Run, table

layers, ops = keras.layers, keras.ops
Adam = keras.optimizers.Adam
PUBLISHED_COLOURS, program = table(part=5)
CROSS, BINARY = "categorical_crossentropy", "binary_crossentropy"
SPARSE = "sparse_categorical_crossentropy"


def _fit(run, x, y, share=0.8):
    """The run on the first part of the data, validated on the rest."""
    run.x, run.y, validation = data.split(x, y, share)
    run.fit = {"validation_data": validation}
    return run


def _raw_colours(scale, size, epochs):
    x, y = published.colour_pictures(500)
    he = {"activation": "relu", "kernel_initializer": "he_normal"}
    stack = [keras.Input((16, 16, 3))]
    for filters in (16, 32):
        stack += [layers.Conv2D(filters, 3, **he), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([*stack, layers.Dense(3, activation="softmax")])
    run = Run(None, None, model, CROSS, "adam", epochs, size, ["accuracy"])
    return _fit(run, x / scale, data.one_hot(y))


@program("unscaled_inputs", "too_few_epochs", "batch_size_too_large")
def colours_from_0_to_255():  # SO 48594888
    return _raw_colours(1, 100, 5)


@program()
def colours_from_0_to_1():
    return _raw_colours(255, 32, 15)


def _augmented(units, output, loss):
    x, y = published.colour_pictures(360)
    stack = [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.RandomFlip("horizontal")]
    for filters in (16, 32):
        stack += [layers.Conv2D(filters, 3), layers.Activation("relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.3)]
    model = keras.Sequential([*stack, layers.Dense(units), layers.Activation(output)])
    y = data.one_hot(y) if units == 3 else y
    rmsprop = keras.optimizers.RMSprop(0.0007)
    return _fit(Run(None, None, model, loss, rmsprop, 20, 16, ["accuracy"]), x, y)


@program("labels_do_not_fit_loss", "loss_does_not_fit_output", "output_cannot_reach_targets")
def three_folders_and_one_sigmoid():  # SO 50079585
    return _augmented(1, "sigmoid", BINARY)


@program()
def three_folders_and_a_softmax():
    return _augmented(3, "softmax", CROSS)


def _dropped(share, rates):
    x, y = published.colour_pictures(360)
    stack = [keras.Input((16, 16, 1))]
    for _ in range(2):
        stack += [
            layers.Conv2D(24, 3, padding="same"),
            layers.Dropout(rates),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
        ]
    stack += [layers.Flatten(), layers.Dense(32), layers.BatchNormalization()]
    stack += [layers.Activation("relu"), layers.Dropout(share)]
    model = keras.Sequential([*stack, layers.Dense(3, activation="softmax")])
    grey = x.mean(-1, keepdims=True) / 255
    run = Run(None, None, model, CROSS, "adam", 20, 16, ["accuracy"])
    return _fit(run, grey, data.one_hot(y))


@program("regularization_too_strong")
def dropout_of_nine_tenths_before_the_softmax():  # SO 60566498, there 0.8 on larger pictures
    return _dropped(0.95, 0.5)


@program()
def dropout_of_a_fifth_before_the_softmax():
    return _dropped(0.2, 0.1)


def _grey(output):
    x, y = published.colour_pictures(300, 2)
    stack = [keras.Input((16, 16, 1))]
    for filters, kernel in ((12, 5), (16, 3)):
        stack.append(layers.Conv2D(filters, kernel, padding="same", activation="relu"))
        stack.append(layers.MaxPooling2D())
    stack += [layers.Flatten(), layers.Dense(48, activation="relu"), layers.Dropout(0.2)]
    model = keras.Sequential([*stack, layers.Dense(1), layers.Activation(output)])
    run = Run(None, None, model, BINARY, "adam", 12, 16, ["accuracy"])
    return _fit(run, x.mean(-1, keepdims=True) / 255, y)


@program("softmax_with_one_unit")
def grey_pictures_one_softmax():  # SO 58844149
    return _grey("softmax")


@program()
def grey_pictures_one_sigmoid():
    return _grey("sigmoid")


@program()
def drawings_of_four_kinds():  # SO 56103207, scaled
    x, y = published.colour_pictures(500, 4)
    stack = [keras.Input((16, 16, 1))]
    for filters, kernel in ((16, 5), (12, 3)):
        stack += [layers.Conv2D(filters, kernel, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(64, activation="relu")]
    model = keras.Sequential([*stack, layers.Dense(4, activation="softmax")])
    grey = x.mean(-1, keepdims=True) / 255
    fit = {"validation_split": 0.2}
    return Run(grey, data.one_hot(y), model, CROSS, "adam", 20, 20, ["accuracy"], fit)


@program()
def signs_with_one_by_one_convolution():  # the repaired Traffic-Sign-Classifier of DeepLocalize
    x, y = published.colour_pictures(500, 4)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Lambda(lambda p: p / 255.0 - 0.5),
            layers.Conv2D(3, 1, activation="sigmoid"),
            layers.Conv2D(16, 3, strides=2, activation="elu"),
            layers.Conv2D(24, 3, activation="elu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(4, activation="softmax"),
        ]
    )
    run = Run(None, None, model, CROSS, Adam(0.001), 20, 32, ["accuracy"])
    return _fit(run, x, data.one_hot(y))


@program()
def four_pictures_at_once():  # SO 44399299 with a softmax
    x, y = published.colour_pictures(400, 4)
    x = x.mean(-1, keepdims=True) / 255
    views = [x, x[:, ::-1], x[:, :, ::-1], x[:, ::-1, ::-1]]
    inputs = [keras.Input((16, 16, 1)) for _ in views]
    branches = []
    for view in inputs:
        h = layers.Conv2D(8, 3, activation="relu")(view)
        branches.append(layers.Flatten()(layers.MaxPooling2D()(h)))
    h = layers.Dense(48, activation="relu")(layers.Concatenate()(branches))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(h))
    return Run(views, data.one_hot(y), model, CROSS, "adam", 12, 32, ["accuracy"])


def _cats_and_dogs(x, y, extra):
    x, y, validation = data.split(x / 255, data.one_hot(y), 0.4)
    stack = [keras.Input((16, 16, 3))]
    for kernel in (3, 3):
        stack += [layers.Conv2D(16, kernel, activation="relu"), layers.MaxPooling2D()]
    model = keras.Sequential(
        [*stack, layers.Flatten(), *extra, layers.Dense(2, activation="softmax")]
    )
    adadelta = keras.optimizers.Adadelta(1.0)
    fit = {"validation_data": validation}
    return Run(x, y, model, CROSS, adadelta, 40, 10, ["accuracy"], fit)


@program("overfitting")
def cats_and_dogs_by_heart():  # GitHub, keras_catsdogs in DeepLocalize
    x, y = published.colour_pictures(150, 2)
    wrong = data.random().random(len(y)) < 0.2
    return _cats_and_dogs(x, np.where(wrong, 1 - y, y), [layers.Dense(128, activation="relu")])


@program()
def cats_and_dogs_with_dropout():
    return _cats_and_dogs(*published.colour_pictures(400, 2), [layers.Dropout(0.5)])


def _life(rate, epochs):
    x, y = published.life()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(10, 3, activation="relu"),
            layers.Conv2D(20, 1, padding="same", activation="relu"),
            layers.Conv2D(1, 1, padding="same", activation="sigmoid"),
        ]
    )
    return _fit(Run(None, None, model, BINARY, Adam(rate), epochs, 64, ["accuracy"]), x, y)


@program("too_few_epochs", "learning_rate_too_low")
def life_for_two_epochs():  # GitHub, gol_nn in DeepLocalize
    return _life(0.001, 2)


@program()
def life_with_greater_steps():
    return _life(0.01, 40)


def _dice(y_true, y_pred):
    both = ops.sum(y_true * y_pred)
    return -(2.0 * both + 1) / (ops.sum(y_true) + ops.sum(y_pred) + 1)


def _unet(output):
    x, _, masks = data.shapes(240)
    inputs = keras.Input((16, 16, 1))
    first = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    deep = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(first))
    joined = layers.Concatenate()([layers.UpSampling2D()(deep), first])
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(joined)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation=output)(h))
    return _fit(Run(None, None, model, _dice, Adam(0.003), 15, 8, ["accuracy"]), x, masks)


@program("missing_output_activation", "loss_does_not_fit_output")
def masks_through_relu_with_dice():  # NeuraLint, GitHub sample 1
    return _unet("relu")


@program()
def masks_through_sigmoid_with_dice():
    return _unet("sigmoid")
