"""What flips, rotations and crops share: they are affine maps, and one resampling does them all."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from keras_dlnotes.augmentation import opencv
from keras_dlnotes.numerics import affine


class Resampling(NamedTuple):
    """How pixels between and outside the old picture's are made; see `numerics.affine.resample`."""

    interpolation: str = "bilinear"
    fill_mode: str = "reflect"
    fill_value: float = 0.0


class GeometricTransform(ABC):
    """Draws one affine map for each picture.

    Attributes:
        resampling: A `Resampling`, or None where the maps take pixels to pixels.
    """

    resampling: Resampling | None = None

    @abstractmethod
    def maps(self, generator, count, size, training):
        """Draws maps from places of the new pictures to places of the old.

        Args:
            generator: A NumPy random generator.
            count: How many pictures, n.
            size: Their (height, width).
            training: False for the map of an original: the identity, or the cut at the centre.

        Returns:
            The maps, [n, 3, 3].
        """

    def new_size(self, size):
        """The (height, width) of the new pictures."""
        return size


def apply_geometric(transforms, images, generator, training):
    """Applies flips, rotations and crops one after the other, by resampling once.

    Args:
        transforms: A list of `GeometricTransform`, of one resampling at most.
        images: [n, height, width, channels].
        generator: A NumPy random generator.
        training: As in `GeometricTransform.maps`.

    Returns:
        The new pictures, in the old ones' dtype.
    """
    count, *size, _ = images.shape
    maps = np.tile(np.eye(3), (count, 1, 1))
    new_size = tuple(size)
    for transform in transforms:
        maps = maps @ transform.maps(generator, count, new_size, training)
        new_size = transform.new_size(new_size)
    if new_size == tuple(size) and np.array_equal(maps, np.broadcast_to(np.eye(3), maps.shape)):
        return images
    # Flips and crops alone take whole pixels: copied, they stay what they are, infinite ones too.
    resampling = shared_resampling(transforms) or Resampling(interpolation="nearest")
    resample = opencv.resample if opencv.can_resample(images, resampling) else affine.resample
    return resample(images, maps, new_size, *resampling)


def shared_resampling(transforms):
    """The one resampling among the transforms; None if there is none."""
    return next((each.resampling for each in transforms if each.resampling is not None), None)
