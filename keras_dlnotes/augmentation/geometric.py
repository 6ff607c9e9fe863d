"""What flips, rotations and crops share: they are affine maps, and one resampling does them all."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from keras_dlnotes.augmentation import opencv
from keras_dlnotes.numerics import affine

Size = tuple[int, int]  # height and width


class Resampling(NamedTuple):
    """How pixels between and outside the old image's are made; see `numerics.affine.resample`."""

    interpolation: str = "bilinear"
    fill_mode: str = "reflect"
    fill_value: float = 0.0
    mask_fill_value: float = 0.0

    def of_kind(self, kind: str) -> "Resampling":
        """The same for images, or for masks, in which no value may be made up."""
        if kind == "mask":
            return self._replace(interpolation="nearest", fill_value=self.mask_fill_value)
        return self


class GeometricTransform(ABC):
    """Draws one affine map for each image.

    Attributes:
        resampling: A `Resampling`, or None where the maps take pixels to pixels.
    """

    resampling: Resampling | None = None

    @abstractmethod
    def maps(
        self, generator: np.random.Generator, count: int, size: Size, training: bool
    ) -> np.ndarray:
        """Draws maps from places of the new images to places of the old.

        Args:
            generator: A NumPy random generator.
            count: How many images, n.
            size: Their (height, width).
            training: False for the map of an original: the identity, or the cut at the centre.

        Returns:
            The maps, [n, 3, 3].
        """

    def new_size(self, size: Size) -> Size:
        """The (height, width) of the new images."""
        return size


def apply_geometric(
    transforms: Sequence[GeometricTransform],
    layers: Sequence[tuple[str, np.ndarray]],
    generator: np.random.Generator,
    training: bool,
) -> list[np.ndarray]:
    """Applies flips, rotations and crops one after the other, by resampling once.

    Args:
        transforms: A list of `GeometricTransform`, of one resampling at most.
        layers: What lies over one another: pairs of a kind, `"image"` or `"mask"`, and an array
            [n, height, width, channels], the images first. Others may be of another size.
        generator: A NumPy random generator.
        training: As in `GeometricTransform.maps`.

    Returns:
        The new arrays, in the old ones' dtypes.
    """
    images = layers[0][1]
    count, *size, _ = images.shape
    maps = np.tile(np.eye(3), (count, 1, 1))
    new_size = tuple(size)
    for transform in transforms:
        maps = maps @ transform.maps(generator, count, new_size, training)
        new_size = transform.new_size(new_size)
    if new_size == tuple(size) and np.array_equal(maps, np.broadcast_to(np.eye(3), maps.shape)):
        return [array for _, array in layers]
    # Flips and crops alone take whole pixels: copied, they stay what they are, infinite ones too.
    resampling = shared_resampling(transforms) or Resampling(interpolation="nearest")
    return [
        _resampled(array, maps, size, new_size, resampling.of_kind(kind)) for kind, array in layers
    ]


def _resampled(
    array: np.ndarray, maps: np.ndarray, size: Sequence[int], new_size: Size, resampling: Resampling
) -> np.ndarray:
    """Resamples by maps between images of `size` and of `new_size`, to the array's own scale."""
    own_size = array.shape[1:3]
    if own_size != tuple(size):
        scale = np.array(own_size) / size
        maps = affine.scaled(maps, scale)
        exact = new_size * scale
        height, width = (int(length) for length in np.rint(exact))
        new_size = (height, width)
        if not np.allclose(exact, new_size):
            raise ValueError(
                "Expected windows of `crop` that are whole pixels of the labels too. Received: "
                f"images of {tuple(size)} and labels of {own_size} pixels, of which a window "
                f"would be {tuple(exact)}."
            )
    resample = opencv.resample if opencv.can_resample(array, resampling) else affine.resample
    return resample(array, maps, new_size, *resampling[:3])


def shared_resampling(transforms: Iterable[GeometricTransform]) -> Resampling | None:
    """The one resampling among the transforms; None if there is none."""
    return next((each.resampling for each in transforms if each.resampling is not None), None)
