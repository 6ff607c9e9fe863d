"""Mirrored, turned and cut images."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_dlnotes.augmentation.geometric import GeometricTransform, Resampling, Size
from keras_dlnotes.numerics import affine
from keras_dlnotes.numerics.number_arguments import whole_number

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


def flip(
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal",
) -> GeometricTransform:
    """A transform that mirrors each image with probability one half.

    Use it where a mirrored image means the same: photographs left to right, not handwriting.

    Args:
        mode: `"horizontal"` for left to right, `"vertical"` for upside down, or
            `"horizontal_and_vertical"` for both, drawn independently.

    Raises:
        ValueError: if the mode is none of the three.

    Example:
    ```python
    train = kd.augmentation.expand((x, y), [kd.augmentation.flip()], copies=3)
    ```
    """
    if mode not in MODES:
        raise ValueError(f"Expected `mode` to be one of {MODES}. Received: mode={mode!r}.")
    return _Flip("vertical" in mode, "horizontal" in mode)


@dataclass(frozen=True)
class _Flip(GeometricTransform):
    upside_down: bool
    left_to_right: bool

    def maps(
        self, generator: np.random.Generator, count: int, size: Size, training: bool
    ) -> np.ndarray:
        drawn = generator.random((count, 2)) < 0.5
        chosen = drawn & [self.upside_down, self.left_to_right] & training
        return affine.reflection(np.asarray(chosen), size)


def rotate(
    factor: float | tuple[float, float],
    fill_mode: Literal["reflect", "constant", "wrap", "nearest"] = "reflect",
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    fill_value: float = 0.0,
    mask_fill_value: float = 0.0,
) -> GeometricTransform:
    """A transform that turns each image about its centre by an angle of its own.

    Use it where a tilted image means the same. The angle is drawn uniformly; the arguments are
    those of `keras.layers.RandomRotation`.

    Args:
        factor: The largest angle either way as a fraction of a full turn, or the (lowest, highest):
            0.1 for -36° to 36°. Positive angles turn counter-clockwise.
        fill_mode: What is seen where the old image ends: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`, as in `keras_dlnotes.numerics.affine.resample`.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside with `fill_mode="constant"`.
        mask_fill_value: The same for labels and weights of the images' shape: the class of what
            is outside.

    Raises:
        ValueError: if an argument is not as described.

    Example:
    ```python
    train = kd.augmentation.expand((x, y), [kd.augmentation.rotate(0.05)], copies=3)
    ```
    """
    low, high = _bounds(factor)
    if not -1 <= low <= high <= 1:  # also of what is not a number
        raise ValueError(
            "Expected `factor` to be a fraction of a full turn of at most 1, or the lowest and the "
            f"highest. Received: factor={factor!r}. For 10 degrees pass 10 / 360."
        )
    for name, value, known in (
        ("fill_mode", fill_mode, affine.FILL_MODES),
        ("interpolation", interpolation, affine.INTERPOLATIONS),
    ):
        if value not in known:
            raise ValueError(f"Expected `{name}` to be one of {known}. Received: {name}={value!r}.")
    resampling = Resampling(interpolation, fill_mode, float(fill_value), float(mask_fill_value))
    return _Rotate(low, high, resampling)


def _bounds(factor: Any) -> Sequence[Any]:
    """The lowest and highest fraction of a turn; NaN for what is neither a number nor a pair."""
    if isinstance(factor, numbers.Real):
        return -abs(factor), abs(factor)
    pair = factor if isinstance(factor, (tuple, list)) and len(factor) == 2 else [None]
    return pair if all(isinstance(each, numbers.Real) for each in pair) else (math.nan, math.nan)


@dataclass(frozen=True)
class _Rotate(GeometricTransform):
    low: float
    high: float
    resampling: Resampling

    def maps(
        self, generator: np.random.Generator, count: int, size: Size, training: bool
    ) -> np.ndarray:
        turns = generator.uniform(self.low, self.high, count)
        return affine.rotation(2 * math.pi * turns * training, size)


def crop(height: int, width: int) -> GeometricTransform:
    """A transform that cuts a window of one size out of each image, each at a place of its own.

    Use it where the object need not be at the centre. Originals are cut at the centre, and so
    should be the images that the model is evaluated on: `keras.layers.CenterCrop`.

    Args:
        height: Rows of the window.
        width: Columns of the window.

    Raises:
        ValueError: if a size is not a whole number above 0; when it is applied, if an image is
            smaller than the window.

    Example:
    ```python
    train = kd.augmentation.expand((x, y), [kd.augmentation.crop(56, 56)], copies=3)
    ```
    """
    height = whole_number("height", height, unit="pixels")
    return _Crop(height, whole_number("width", width, unit="pixels"))


@dataclass(frozen=True)
class _Crop(GeometricTransform):
    height: int
    width: int

    def maps(
        self, generator: np.random.Generator, count: int, size: Size, training: bool
    ) -> np.ndarray:
        room = np.subtract(size, (self.height, self.width))
        if (room < 0).any():
            raise ValueError(
                f"Expected images of at least {self.height} x {self.width} pixels, the window of "
                f"`crop`. Received: {size[0]} x {size[1]}. Put "
                "`keras.layers.Resizing` before it, or take a smaller window."
            )
        drawn = generator.integers(0, room + 1, (count, 2))
        return affine.translation(drawn if training else np.tile(room // 2, (count, 1)))

    def new_size(self, size: Size) -> Size:
        return (self.height, self.width)
