"""The networks: those of `keras.applications`, and a transformer, an LSTM, a U-Net and others."""

import functools

import keras
import numpy as np

from benchmarks.real_fault_programs import data
from benchmarks.unet import unet as three_levels

layers = keras.layers
SPARSE = "sparse_categorical_crossentropy"
# After a hundred steps the 0.99 of `keras.applications` still holds a third of its start.
_MOMENTUM = 0.9


def application(name, classes=None, size=32):
    """A network of `keras.applications` with random weights.

    Args:
        name: "ResNet50" or "EfficientNetB0".
        classes: units of a softmax; None for the pooled features.
        size: pixels of a side.
    """
    top = {"include_top": False, "pooling": "avg"} if classes is None else {"classes": classes}
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(size, size, 3), name="backbone", **top)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    return model


@functools.cache
def _pretrained(name, scale):
    keras.utils.set_random_seed(20)
    x, y = data.digits(range(10), 1280)
    base = application(name)
    model = keras.Sequential([base, layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(1e-3), SPARSE)
    model.fit(x * scale, y, epochs=3, batch_size=32, verbose=0)
    return base.get_weights()


def pretrained(name, scale):
    """A network trained here on pictures of all digits, frozen; the run's seed stays what it is.

    Args:
        name: as in `application`.
        scale: the pictures' size, 1 or 255.
    """
    seed = int(np.random.randint(1 << 31))
    weights = _pretrained(name, scale)
    keras.utils.set_random_seed(seed)
    base = application(name)
    base.set_weights(weights)
    base.trainable = False
    return base


def with_head(base, classes):
    """A softmax behind a frozen network."""
    picture = keras.Input(base.input_shape[1:])
    features = base(picture, training=False)
    return keras.Model(picture, layers.Dense(classes, activation="softmax")(features))


class Classifier(keras.Model):
    """A softmax behind a network, in a class of the user's own.

    Args:
        base: the network.
        classes: units of the softmax.
        inference: whether the network is called as outside training, always.
    """

    def __init__(self, base, classes, inference):
        super().__init__()
        self.base, self.inference = base, inference
        self.top = layers.Dense(classes, activation="softmax")

    def call(self, pictures, training=None):
        """Probabilities of the classes."""
        return self.top(self.base(pictures, training=False if self.inference else training))


def transformer(
    blocks=12, width=32, length=24, words=200, classes=4, exploding=None, norm_first=True
):
    """Blocks of attention and feed-forward layers, each behind or before a layer normalization.

    Args:
        blocks: their number.
        width: numbers of a token.
        length: tokens of a text.
        words: size of the vocabulary.
        classes: units of the output.
        exploding: number of a block whose last layer starts with weights a thousand times as large.
        norm_first: whether what a block adds is normalized before it, or the sum behind it.
    """
    tokens = keras.Input((length,), dtype="int32")
    x = layers.Embedding(words, width, name="words")(tokens)
    for number in range(blocks):
        norm = layers.LayerNormalization(name=f"attention_{number}_norm")
        y = norm(x) if norm_first else x
        y = layers.MultiHeadAttention(2, width // 2, name=f"attention_{number}")(y, y)
        x = layers.Add(name=f"attention_{number}_add")([x, y])
        x = x if norm_first else norm(x)
        norm = layers.LayerNormalization(name=f"feed_forward_{number}_norm")
        y = norm(x) if norm_first else x
        y = layers.Dense(2 * width, activation="relu", name=f"feed_forward_{number}_in")(y)
        start = keras.initializers.RandomNormal(100.0) if number == exploding else "glorot_uniform"
        y = layers.Dense(width, kernel_initializer=start, name=f"feed_forward_{number}_out")(y)
        x = layers.Add(name=f"feed_forward_{number}_add")([x, y])
        x = x if norm_first else norm(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, layers.Dense(classes, activation="softmax", name="topic")(x))


def bidirectional(length, words=200, classes=4, **embedding):
    """A bidirectional LSTM over embedded words; further arguments are the embedding's."""
    tokens = keras.Input((length,), dtype="int32")
    x = layers.Embedding(words, 16, name="words", **embedding)(tokens)
    x = layers.Bidirectional(layers.LSTM(32), name="reader")(x)
    return keras.Model(tokens, layers.Dense(classes, activation="softmax", name="topic")(x))


def unet(classes=3, size=32):
    """A small U-Net; a class for each pixel, as a row."""
    return three_levels(size, classes, (8, 16, 32), _MOMENTUM)


def autoencoder(size=16, narrowest=8):
    """Dense layers down to a few units and up again, in mixed precision with float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        picture = keras.Input((size, size, 3))
        x = layers.Flatten()(picture)
        x = layers.Dense(128, activation="relu", name="down")(x)
        x = layers.Dense(narrowest, name="code")(x)
        x = layers.Dense(128, activation="relu", name="up")(x)
        x = layers.Dense(size * size * 3, activation="sigmoid", dtype="float32", name="pixels")(x)
        return keras.Model(picture, layers.Reshape((size, size, 3), dtype="float32")(x))
    finally:
        keras.config.set_dtype_policy(before)


def picture_and_table(columns, size=16):
    """Two inputs, a picture and a table; two outputs, `ill` and `cost`."""
    picture, table = keras.Input((size, size, 3)), keras.Input((columns,))
    x = layers.Conv2D(16, 3, activation="relu")(picture)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    both = layers.Concatenate()([x, layers.Dense(16, activation="relu")(table)])
    both = layers.Dense(32, activation="relu")(both)
    ill = layers.Dense(1, activation="sigmoid", name="ill")(both)
    return keras.Model([picture, table], [ill, layers.Dense(1, name="cost")(both)])
