"""What Xavier and He share: an untruncated normal scaled by the inputs that feed one unit."""

import math
from collections.abc import Sequence
from typing import Any, Self, cast

import keras

from keras_dlnotes.initializers.seed_of_draw import seed_of_draw
from keras_dlnotes.numerics.fan_in import Layout, check_layout, inputs_per_unit
from keras_dlnotes.numerics.number_arguments import as_python_number, is_whole_number


class FanInNormal(keras.initializers.VarianceScaling):
    """W = randn(shape) * sqrt(gain / n_prev), with n_prev counted for the layer's kernel layout.

    It is a `VarianceScaling` so that Keras's `EinsumDense`, and with it every attention layer,
    passes its `input_axes` of its own accord. The count itself is ours: Keras's takes a depthwise
    kernel's channels for inputs, and a transposed kernel's outputs.

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
