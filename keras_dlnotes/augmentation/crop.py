"""Parts of images."""

from dataclasses import dataclass

import numpy as np

from keras_dlnotes.augmentation.geometric import GeometricTransform, Size
from keras_dlnotes.numerics import affine
from keras_dlnotes.numerics.number_arguments import whole_number


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
