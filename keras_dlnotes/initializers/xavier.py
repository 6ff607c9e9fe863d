"""Xavier initialization."""

from collections.abc import Sequence

import keras

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.initializers.fan_in_normal import FanInNormal
from keras_dlnotes.numerics.fan_in import Layout


@registered("Xavier")
class Xavier(FanInNormal):
    """Xavier initialization: units of variance 1 from inputs of variance 1.

    Use it with tanh (and with linear units). Behind a ReLU, which passes half of the variance on,
    the signal shrinks from layer to layer: use `He` there. Keras calls this rule LeCun's; its own
    Glorot initializers divide by the mean of inputs and outputs.

    Formula: `W = randn(shape) * sqrt(1 / n_prev)`, without truncation.

    - W → the kernel, any shape.
    - n_prev → the number of inputs that feed one unit, counted by
      `keras_dlnotes.numerics.inputs_per_unit` from the kernel's shape, `layout`, `strides` and
      `input_axes`.

    Dense, convolution and recurrent layers need no argument, nor do `EinsumDense` and the attention
    layers, which pass `input_axes` themselves. A depthwise and a transposed kernel look like any
    other, so there the layout has to be said; or let `kd.initializers.initialize(model, Xavier())`
    say it for every layer.

    Args:
        seed: An integer, a `keras.random.SeedGenerator` or `None`. As with Keras's own
            initializers, an integer gives the same values at every call, a generator new ones.
            `None` gives new ones too, so that layers which share the object start differently
            (Keras's own start alike); `keras.utils.set_random_seed` makes them reproducible.
        layout: `"dense"` (the default), `"depthwise"` (DepthwiseConv, and SeparableConv's
            `depthwise_initializer`) or `"transpose"` (ConvTranspose).
        strides: With `layout="transpose"`, the layer's strides: a unit is fed by
            `kernel_size / strides` inputs per channel. Defaults to 1.
        input_axes: The kernel's axes that one unit sums over, where no layout fits. Defaults to
            `None`.

    Raises:
        ValueError: if `layout`, `strides` and `input_axes` contradict each other or the shape.

    Example:
    ```python
    layer = keras.layers.Dense(10, activation="tanh", kernel_initializer=kd.initializers.Xavier())
    upsampling = keras.layers.Conv2DTranspose(
        8, 4, strides=2, kernel_initializer=kd.initializers.Xavier(layout="transpose", strides=2)
    )
    ```

    Reference: deep-learning notes, "Xavier Initialization"; Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", 2010, section 4.2.1.
    """

    def __init__(
        self,
        seed: int | keras.random.SeedGenerator | None = None,
        layout: Layout = "dense",
        strides: int | Sequence[int] = 1,
        input_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, seed, layout, strides, input_axes)
