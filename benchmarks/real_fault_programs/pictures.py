"""ResNet50 and EfficientNetB0 on small pictures: trained from the start, and as backbones."""

import keras
import numpy as np

from benchmarks.real_fault_programs import data
from benchmarks.real_fault_programs.networks import (
    SPARSE,
    Classifier,
    application,
    pretrained,
    with_head,
)
from benchmarks.real_fault_programs.program import RealRun, table

layers = keras.layers
PICTURES, program = table()
RESNET, EFFICIENT = "ResNet50", "EfficientNetB0"
TRAINED, TESTED = 720, 150


def adam(rate=1e-3):
    """Adam with a learning rate."""
    return keras.optimizers.Adam(rate)


def five_digits(scale=1.0, digits=range(5), count=TRAINED):
    """Pictures of five digits to train and to test with."""
    x, y = data.digits(digits, count + TESTED)
    x = x * np.float32(scale)
    return x[:count], y[:count], (x[count:], y[count:])


def run(model, x, y, test, optimizer=None, epochs=3, **settings):
    """A run with the classes' cross-entropy and accuracy."""
    optimizer = optimizer or adam()
    return RealRun(x, y, model, SPARSE, optimizer, epochs, 32, ["accuracy"], test=test, **settings)


@program(RESNET, "frozen_statistics_do_not_fit", "batch_statistics_lag", layers=("conv",))
def frozen_normalization_with_wrong_statistics(broken):
    base = pretrained(RESNET, 1)
    if broken:  # a converter that knows kernels, gains and biases alone
        for layer in base.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.moving_mean.assign(keras.ops.zeros_like(layer.moving_mean))
                layer.moving_variance.assign(keras.ops.ones_like(layer.moving_variance))
    x, y, test = five_digits(digits=range(5, 10))
    return run(with_head(base, 5), x, y, test, adam(3e-3))


@program(
    EFFICIENT,
    "batch_normalization_never_trained",
    "vanishing_gradients",
    layers=("stem", "block", "top"),
)
def batch_normalization_in_the_wrong_mode(broken):
    x, y, test = five_digits(255)
    model = Classifier(application(EFFICIENT), 5, inference=broken)
    return run(model, x, y, test, epochs=4)


@program(RESNET, "dead_units", layers=("conv3_block1",))
def dead_residual_block(broken):
    x, y, test = five_digits()
    model = application(RESNET, 5)
    if broken:
        for name in ("conv3_block1_0_bn", "conv3_block1_3_bn"):
            beta = model.get_layer(name).beta
            beta.assign(keras.ops.full_like(beta, -5.0))
    return run(model, x, y, test)


@program(RESNET, "labels_unrelated_to_inputs")
def labels_shifted_by_one(broken):
    x, y, test = five_digits()
    return run(application(RESNET, 5), x, np.roll(y, 1) if broken else y, test)


@program(RESNET, "untrained_layers", layers=("conv", "backbone"))
def head_behind_a_frozen_random_backbone(broken):
    base = pretrained(RESNET, 1)
    if broken:
        base = application(RESNET)
        base.trainable = False
    x, y, test = five_digits(digits=range(5, 10))
    return run(with_head(base, 5), x, y, test, adam(3e-3))


@program(EFFICIENT, "frozen_statistics_do_not_fit", "unscaled_inputs")
def inputs_scaled_twice_for_a_pretrained_network(broken):
    base = pretrained(EFFICIENT, 255)
    x, y, test = five_digits(1 if broken else 255, digits=range(5, 10))
    return run(with_head(base, 5), x, y, test, adam(3e-3))


@program(EFFICIENT, "batch_size_too_small", "batch_statistics_lag")
def batch_normalization_with_batches_of_two(broken):
    x, y, test = five_digits(255, count=480 if broken else TRAINED)
    made = run(application(EFFICIENT, 5), x, y, test, epochs=1 if broken else 4)
    made.batch_size = 2 if broken else 32
    return made


@program(EFFICIENT, "imbalanced_classes", "missing_class")
def one_rare_class_in_a_thousand(broken):
    x, y = data.one_of(3, 1, 2000, 1e-3 if broken else 0.5)
    test = data.one_of(3, 1, TESTED, 0.5)
    base = application(EFFICIENT)
    model = keras.Sequential([base, layers.Dense(1, activation="sigmoid", name="rare")])
    return RealRun(
        x * 255,
        y,
        model,
        "binary_crossentropy",
        adam(),
        1,
        32,
        ["accuracy"],
        test=(test[0] * 255, test[1]),
    )


@program(EFFICIENT, "augmentation_destroys_class", layers=("flip",))
def flips_where_sides_matter(broken):
    x, y = data.sides(TRAINED + TESTED)
    x = x * 255
    base = application(EFFICIENT)
    picture = keras.Input((32, 32, 3))
    if broken:
        first = layers.RandomFlip("horizontal_and_vertical", name="flip")
    else:
        first = layers.RandomBrightness(0.1, name="brightness")
    outputs = layers.Dense(4, activation="softmax")(base(first(picture)))
    test = x[TRAINED:], y[TRAINED:]
    return run(keras.Model(picture, outputs), x[:TRAINED], y[:TRAINED], test, epochs=4)


@program(EFFICIENT, "validation_data_differ")
def validation_pictures_scaled_otherwise(broken):
    x, y, test = five_digits(255)
    if broken:
        test = test[0] / 255, test[1]
    return run(application(EFFICIENT, 5), x, y, test, epochs=4, fit={"validation_data": test})
