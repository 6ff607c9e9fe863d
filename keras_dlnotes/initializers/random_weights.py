"""Random weights: small numbers, and those scaled by the inputs that feed one unit."""

import math
import random
from collections.abc import Sequence
from typing import Any, Self, cast

import keras

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics.fan_in import Layout, check_layout, inputs_per_unit
from keras_dlnotes.numerics.number_arguments import (
    as_python_number,
    is_real_number,
    is_whole_number,
)


def seed_of_draw(
    seed: int | keras.random.SeedGenerator | None,
) -> int | keras.random.SeedGenerator:
    """The seed itself, or for `None` a new whole number at every call.

    `keras.utils.set_random_seed` seeds Python's generator, from which the number comes. Keras's own
    initializers draw it once for an object, so that two layers that share one start alike.
    """
    return random.randint(1, 10**9) if seed is None else seed


@registered("SmallRandom")
class SmallRandom(keras.initializers.RandomNormal):
    """Small random numbers: a normal distribution of one fixed, small standard deviation.

    Use it for shallow networks only. In a deep one the signal is multiplied by about
    `scale * sqrt(n_prev)` in every layer, so activations and gradients vanish (or explode).

    Formula: `W = randn(shape) * scale`, without truncation.

    - W → the kernel, any shape.
    - scale → `scale`, the standard deviation.

    Args:
        scale: The standard deviation, a non-negative number. Defaults to 0.01.
        seed: An integer, a `keras.random.SeedGenerator` or `None`. As with Keras's own
            initializers, an integer gives the same values at every call, a generator new ones.
            `None` gives new ones too, so that layers which share the object start differently
            (Keras's own start alike); `keras.utils.set_random_seed` makes them reproducible.

    Raises:
        ValueError: if `scale` is not a finite number of at least 0.

    Example:
    ```python
    layer = keras.layers.Dense(10, kernel_initializer=kd.initializers.SmallRandom(0.01))
    ```

    Reference: deep-learning notes, "Small Random Numbers".
    """

    def __init__(
        self, scale: float = 0.01, seed: int | keras.random.SeedGenerator | None = None
    ) -> None:
        if not is_real_number(scale) or not math.isfinite(scale) or scale < 0:
            raise ValueError(
                f"Expected `scale` to be a finite number of at least 0. Received: scale={scale!r}."
            )
        super().__init__(mean=0.0, stddev=float(scale), seed=as_python_number(seed))
        if seed is None:
            self.seed = None  # Keras's has drawn one for all calls

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Draws a kernel of the given shape."""
        return keras.random.normal(
            shape, stddev=self.stddev, dtype=dtype, seed=seed_of_draw(self.seed)
        )

    def standard_deviation(self, n_prev: float) -> float:
        """The same for every layer, whatever feeds its units."""
        return self.stddev

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        return {"scale": config["stddev"], "seed": config["seed"]}


class FanInNormal(keras.initializers.VarianceScaling):
    """W = randn(shape) * sqrt(gain / n_prev), with n_prev counted for the layer's kernel layout.

    It is a `VarianceScaling` so that Keras's `EinsumDense`, and with it every attention layer,
    passes its `input_axes` itself. The count is ours: Keras's takes a depthwise kernel's channels
    for inputs, and a transposed kernel's outputs.

    Args:
        gain: The numerator under the root, set by the final class.
        seed: An integer, a `keras.random.SeedGenerator` or `None`.
        layout: `"dense"`, `"depthwise"` or `"transpose"`.
        strides: The transposed convolution's strides.
        input_axes: The kernel's axes that one unit sums over.
    """

    def __init__(
        self,
        gain: float,
        seed: int | keras.random.SeedGenerator | None = None,
        layout: Layout = "dense",
        strides: int | Sequence[int] = 1,
        input_axes: Sequence[int] | None = None,
    ) -> None:
        # Configurations come back from JSON with lists in place of tuples.
        strides = (
            int(strides) if is_whole_number(strides) else tuple(cast("Sequence[int]", strides))
        )
        if input_axes is not None:
            input_axes = tuple(input_axes)
        check_layout(layout, strides, input_axes)
        seed = as_python_number(seed)
        super().__init__(scale=gain, mode="fan_in", distribution="untruncated_normal", seed=seed)
        if seed is None:
            self.seed = None  # Keras's has drawn one for all calls
        self.layout = layout
        self.strides = strides
        self.input_axes = input_axes
        self.output_axes = None

    def standard_deviation(self, n_prev: float) -> float:
        """sqrt(gain / n_prev); a kernel without inputs has no values to scale."""
        return math.sqrt(self.scale / n_prev) if n_prev > 0 else 0.0

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Draws a kernel of the given shape."""
        n_prev = inputs_per_unit(shape, self.layout, self.strides, self.input_axes)
        deviation = self.standard_deviation(n_prev)
        return keras.random.normal(
            shape, stddev=deviation, dtype=dtype, seed=seed_of_draw(self.seed)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "seed": super().get_config()["seed"],
            "layout": self.layout,
            "strides": self.strides,
            "input_axes": self.input_axes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the initializer, without the `output_axes` that `EinsumDense` adds."""
        return cls(**{key: value for key, value in config.items() if key != "output_axes"})


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


@registered("He")
class He(FanInNormal):
    """He initialization: Xavier's with twice the variance, for units that a ReLU halves.

    Use it with ReLU. With tanh it drives deep units towards saturation: use `Xavier` there.
    `keras.initializers.HeNormal` is the same rule with a truncated normal.

    Formula: `W = randn(shape) * sqrt(2 / n_prev)`, without truncation.

    - W → the kernel, any shape.
    - n_prev → the number of inputs that feed one unit, counted by
      `keras_dlnotes.numerics.inputs_per_unit` from the kernel's shape, `layout`, `strides` and
      `input_axes`.

    Dense, convolution and recurrent layers need no argument, nor do `EinsumDense` and the attention
    layers, which pass `input_axes` themselves. A depthwise and a transposed kernel look like any
    other, so there the layout has to be said; or let `kd.initializers.initialize(model, He())`
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
    layer = keras.layers.Dense(10, activation="relu", kernel_initializer=kd.initializers.He())
    upsampling = keras.layers.Conv2DTranspose(
        8, 4, strides=2, kernel_initializer=kd.initializers.He(layout="transpose", strides=2)
    )
    ```

    Reference: deep-learning notes, "He Initialization"; He, Zhang, Ren and Sun, "Delving Deep into
    Rectifiers", 2015, equation 10.
    """

    def __init__(
        self,
        seed: int | keras.random.SeedGenerator | None = None,
        layout: Layout = "dense",
        strides: int | Sequence[int] = 1,
        input_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, seed, layout, strides, input_axes)
