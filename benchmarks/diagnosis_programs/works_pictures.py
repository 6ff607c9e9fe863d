"""What people run with pictures and what works, odd as some of it looks.

Written before the diagnosis was run on any of it; each was seen to learn what can be learned.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Batches, Run, mlp, table

layers = keras.layers
WORKS_PICTURES, program = table(part=4)
SPARSE = "sparse_categorical_crossentropy"


@program()
def quickstart_with_logits():
    x, y = data.pixels(1500)
    stack = [keras.Input((16, 16, 1)), layers.Flatten(), layers.Dense(128, activation="relu")]
    model = keras.Sequential([*stack, layers.Dropout(0.2), layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x / 255, y, model, loss, "adam", 5, 32, ["accuracy"])


class ConvClassifier(keras.Model):
    """A convolution in a subclassed model."""

    def __init__(self):
        super().__init__()
        self.convolution = layers.Conv2D(16, 3, activation="relu")
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(64, activation="relu")
        self.top = layers.Dense(10)

    def call(self, x):
        """The logits."""
        return self.top(self.hidden(self.flatten(self.convolution(x))))


@program()
def subclassed_convnet_of_the_experts():
    x, y = data.pixels(1000)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x / 255, y, ConvClassifier(), loss, "adam", 4, 32, ["accuracy"])


@program()
def simple_autoencoder():
    x, _ = data.bundled("digits", 1500)
    x = x / 16
    return Run(x, x, mlp(64, [16], 64, "sigmoid"), "binary_crossentropy", "adam", 30, 32)


@program()
def denoising_with_convolutions():
    x, _ = data.pixels(500)
    x = x / 255
    noisy = np.clip(x + data.random().normal(0, 0.3, x.shape), 0, 1).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )
    return Run(noisy, x, model, "binary_crossentropy", "adam", 12, 32)


def unet(units, output):
    """A very small U-Net."""
    inputs = keras.Input((16, 16, 1))
    down = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    h = layers.MaxPooling2D()(down)
    h = layers.Conv2D(16, 3, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(8, 2, strides=2)(h)
    h = layers.concatenate([h, down])
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(h)
    return keras.Model(inputs, layers.Conv2D(units, 1, activation=output)(h))


@program()
def segmentation_with_classes():
    x, _, masks = data.shapes(200)
    return Run(x, masks.astype("int32"), unet(2, "softmax"), SPARSE, "adam", 8, 8, ["accuracy"])


@program()
def segmentation_with_dice_loss():
    def dice(y_true, y_pred):
        both = keras.ops.sum(y_true * y_pred, (1, 2, 3))
        return 1 - (2 * both + 1) / (keras.ops.sum(y_true + y_pred, (1, 2, 3)) + 1)

    x, _, masks = data.shapes(200)
    adam = keras.optimizers.Adam(0.005)
    return Run(x, masks, unet(1, "sigmoid"), dice, adam, 10, 8, ["binary_accuracy"])


@program()
def class_and_size_at_once():
    x, y, masks = data.shapes(400)
    size = masks.mean((1, 2, 3)) * 5
    inputs = keras.Input((16, 16, 1))
    h = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    h = layers.Dense(64, activation="relu")(layers.Flatten()(h))
    outputs = {
        "shape": layers.Dense(1, activation="sigmoid", name="shape")(h),
        "size": layers.Dense(1, name="size")(h),
    }
    model = keras.Model(inputs, outputs)
    loss = {"shape": "binary_crossentropy", "size": "mse"}
    return Run(
        x,
        {"shape": y, "size": size},
        model,
        loss,
        "adam",
        20,
        16,
        {"shape": "accuracy", "size": "mae"},
    )


@program()
def label_smoothing_and_cosine_decay():
    x, y = data.pixels()
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    adam = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.005, 150), weight_decay=0.01
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    return Run(x / 255, data.one_hot(y), model, loss, adam, 8, 32, ["accuracy"])


@program()
def residual_blocks():
    x, y = data.pixels(500)
    inputs = keras.Input((16, 16, 1))
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    for _ in range(3):
        branch = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(8, 3, padding="same")(h))
        h = layers.ReLU()(layers.add([h, layers.ReLU()(branch)]))
    h = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(h))
    model = keras.Model(
        inputs, layers.Dense(10, activation="softmax")(layers.Dense(64, activation="relu")(h))
    )
    return Run(x / 255, y, model, SPARSE, keras.optimizers.Adam(0.002), 32, 32, ["accuracy"])


@program()
def group_normalization_and_batches_of_two():
    x, y, _ = data.shapes(160)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3),
            layers.GroupNormalization(4),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return Run(x, y, model, "binary_crossentropy", "adam", 12, 2, ["accuracy"])


@program()
def pipeline_with_augmentation():
    import tensorflow as tf

    x, y, _ = data.shapes(400)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(400).batch(16).prefetch(2)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.RandomFlip(),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return Run(
        dataset,
        None,
        model,
        "binary_crossentropy",
        keras.optimizers.Adam(0.003),
        25,
        None,
        ["accuracy"],
    )


@program()
def generator_of_arrays():
    x, y = data.pixels()
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return Run(Batches(x, y), None, model, SPARSE, "adam", 15, None, ["accuracy"])
