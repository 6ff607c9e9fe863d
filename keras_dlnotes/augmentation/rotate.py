"""Turned images."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_dlnotes.augmentation.geometric import GeometricTransform, Resampling, Size
from keras_dlnotes.numerics import affine


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
