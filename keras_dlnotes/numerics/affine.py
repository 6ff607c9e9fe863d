"""Pictures turned, mirrored and cut out: affine maps of pixel coordinates, and resampling by them.

Coordinates are (row, column), counted from the centre of the first pixel. A map takes a place of
the *new* picture to the place of the old one that it shows, as `scipy.ndimage.affine_transform`
does: old = A · new + b, kept as one matrix [A b; 0 1].
"""

from typing import NamedTuple

import numpy as np

FILL_MODES = ("reflect", "constant", "wrap", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")
# Pictures resampled together: so many that NumPy's overhead is spread, and they still fit a cache.
_PIXELS_AT_ONCE = 32768


def rotation(angles, size):
    """Maps that turn pictures counter-clockwise about their centre.

    With rows counted downwards, new pixel p shows old pixel c + R (p - c),
    R = [[cos a, sin a], [-sin a, cos a]] in (row, column) and c the centre.

    Args:
        angles: a in radians, [n].
        size: (height, width).

    Returns:
        Maps, [n, 3, 3].
    """
    maps = np.zeros((len(angles), 3, 3))
    cosine, sine = np.cos(angles), np.sin(angles)
    maps[:, 0, 0], maps[:, 0, 1] = cosine, sine
    maps[:, 1, 0], maps[:, 1, 1] = -sine, cosine
    centre = (np.array(size) - 1) / 2
    maps[:, :2, 2] = centre - maps[:, :2, :2] @ centre
    maps[:, 2, 2] = 1
    return maps


def reflection(mirrored, size):
    """Maps that mirror pictures: [n, 2] booleans, upside down and left to right → [n, 3, 3]."""
    maps = np.zeros((len(mirrored), 3, 3))
    for axis in (0, 1):
        maps[:, axis, axis] = np.where(mirrored[:, axis], -1, 1)
        maps[:, axis, 2] = np.where(mirrored[:, axis], size[axis] - 1, 0)
    maps[:, 2, 2] = 1
    return maps


def translation(offsets):
    """Maps whose new pictures begin at the old ones' places `offsets`, [n, 2] → [n, 3, 3]."""
    maps = np.tile(np.eye(3), (len(offsets), 1, 1))
    maps[:, :2, 2] = offsets
    return maps


def resample(images, maps, size, interpolation="bilinear", fill_mode="reflect", fill_value=0.0):
    """Pictures seen through affine maps, one each, in the pictures' own dtype.

    Bilinear interpolation weighs the four pixels around the old place, so that no value lies
    beyond theirs; whole numbers are rounded. Places outside the old picture `a b c d` show

    - `"reflect"`: `d c b a [a b c d] d c b a`, mirrored about the edge of the last pixel;
    - `"constant"`: `k k k k [a b c d] k k k k`, where k is `fill_value`;
    - `"wrap"`: `a b c d [a b c d] a b c d`, begun anew;
    - `"nearest"`: `a a a a [a b c d] d d d d`, the last pixel.

    Args:
        images: [n, height, width, channels], of any real dtype.
        maps: [n, 3, 3], from places of the new pictures to places of the old.
        size: (height, width) of the new pictures.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: As above.
        fill_value: k.

    Returns:
        [n, *size, channels].
    """
    resampled = np.empty((len(images), *size, images.shape[-1]), images.dtype)
    step = max(1, _PIXELS_AT_ONCE // max(1, size[0] * size[1]))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        values = _resampled(images[part], maps[part], size, interpolation, fill_mode, fill_value)
        if not np.issubdtype(images.dtype, np.floating):
            values = np.rint(values)
        resampled[part] = values
    return resampled


def _resampled(images, maps, size, interpolation, fill_mode, fill_value):
    count, height, width, channels = images.shape
    # Coordinates in float64 where single precision would not tell places of a pixel apart.
    dtype = np.float32 if images.dtype.itemsize <= 2 or images.dtype == np.float32 else np.float64
    maps = maps.astype(dtype)
    rows = np.arange(size[0], dtype=dtype)[:, None]
    columns = np.arange(size[1], dtype=dtype)
    row, column = (
        maps[:, axis, 0, None, None] * rows
        + maps[:, axis, 1, None, None] * columns
        + maps[:, axis, 2, None, None]
        for axis in (0, 1)
    )
    pixels = images.reshape(count * height * width, channels)
    first = (np.arange(count, dtype=np.int32) * (height * width))[:, None, None]

    def pixel(row, column):
        values = pixels.take(first + row.number * width + column.number, axis=0)
        if values.dtype != dtype:
            values = values.astype(dtype)
        if fill_mode == "constant":
            values[~(row.inside & column.inside)] = fill_value
        return values

    if interpolation == "nearest":
        half = dtype(0.5)
        return pixel(
            _places(np.floor(row + half), height, fill_mode),
            _places(np.floor(column + half), width, fill_mode),
        )
    above, before = np.floor(row), np.floor(column)
    down, right = (row - above)[..., None], (column - before)[..., None]
    top, bottom = (_places(above + step, height, fill_mode) for step in (0, 1))
    left, end = (_places(before + step, width, fill_mode) for step in (0, 1))
    upper, lower = pixel(top, left), pixel(bottom, left)
    upper += right * (pixel(top, end) - upper)
    lower += right * (pixel(bottom, end) - lower)
    upper += down * (lower - upper)
    return upper


class _Places(NamedTuple):
    """Pixels along one axis: their numbers, and which of them are the picture's own."""

    number: np.ndarray
    inside: np.ndarray | None


def _places(index, size, fill_mode):
    """The pixels inside that whole coordinates, perhaps outside, stand for."""
    index = index.astype(np.int32)
    inside = (index >= 0) & (index < size) if fill_mode == "constant" else None
    if index.min(initial=0) < 0 or index.max(initial=0) >= size:
        if fill_mode == "reflect":
            index = index % (2 * size)
            index = np.minimum(index, 2 * size - 1 - index)
        elif fill_mode == "wrap":
            index = index % size
        else:
            index = np.clip(index, 0, size - 1)
    return _Places(index, inside)
