"""A U-Net of three levels, for the programs that measure or break one."""

import keras

layers = keras.layers


def unet(size, classes, filters=(16, 32, 64), momentum=0.99):
    """A network that gives a class for each pixel, as a row of pixels.

    Args:
        size: of the pictures, which are squares of three channels.
        classes: how many there are.
        filters: of the three levels; twice the last one at the bottom.
        momentum: of batch normalization.
    """

    def block(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization(momentum=momentum)(x))
        return x

    picture = keras.Input((size, size, 3))
    x, kept = picture, []
    for number in filters:
        x = block(x, number)
        kept.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, 2 * filters[-1])
    for number, skip in zip(reversed(filters), reversed(kept), strict=True):
        x = layers.Conv2DTranspose(number, 2, strides=2)(x)
        x = block(layers.Concatenate()([x, skip]), number)
    # A row of pixels: of a picture, Keras 3.15 on torch cannot take this loss's gradient on a CPU.
    x = layers.Reshape((size * size, classes))(layers.Conv2D(classes, 1)(x))
    return keras.Model(picture, layers.Softmax()(x))
