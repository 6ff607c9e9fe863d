"""The resampling of `numerics.affine` by OpenCV, several times as fast, where it is installed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

cv2: Any
try:
    import cv2
except ImportError:
    cv2 = None

# What OpenCV resamples as exactly as NumPy does: with float64, with two channels or more than four,
# and in versions before 5, it rounds places to 1/32 of a pixel.
_OLDEST_MAJOR_VERSION = 5
_DTYPES = ("uint8", "uint16", "float32")
_CHANNELS = (1, 3, 4)
_LARGEST_SIZE = 32766  # its coordinates have 16 bits


def can_resample(images: np.ndarray, resampling: Any) -> bool:
    """Whether OpenCV is there and resamples such images exactly."""
    return (
        cv2 is not None
        and int(cv2.__version__.split(".")[0]) >= _OLDEST_MAJOR_VERSION
        and resampling.interpolation == "bilinear"
        and images.dtype.name in _DTYPES
        and max(images.shape[1:3]) <= _LARGEST_SIZE
        and images.shape[3] in _CHANNELS
        and images.size > 0
    )


def resample(
    images: np.ndarray,
    maps: np.ndarray,
    size: Sequence[int],
    interpolation: str,
    fill_mode: str,
    fill_value: float,
) -> np.ndarray:
    """See `numerics.affine.resample`; whole numbers may differ from it by one in the rounding."""
    border = {
        "reflect": cv2.BORDER_REFLECT,
        "constant": cv2.BORDER_CONSTANT,
        "wrap": cv2.BORDER_WRAP,
        "nearest": cv2.BORDER_REPLICATE,
    }[fill_mode]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # OpenCV counts (x, y) = (column, row).
    maps = np.ascontiguousarray(maps[:, [1, 0]][:, :, [1, 0, 2]])
    channels = images.shape[3]
    resampled = np.empty((len(images), *size, channels), images.dtype)
    for image, matrix, new in zip(images, maps, resampled, strict=True):
        cv2.warpAffine(image, matrix, size[::-1], new, flags, border, (fill_value,) * channels)
    return resampled
