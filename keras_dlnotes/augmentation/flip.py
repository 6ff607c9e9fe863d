"""Mirrored images."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_dlnotes.augmentation.geometric import GeometricTransform, Size
from keras_dlnotes.numerics import affine

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
