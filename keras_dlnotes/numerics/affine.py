"""Pictures turned, mirrored and cut out: affine maps of pixel coordinates, and resampling by them.

Coordinates are (row, column), counted from the centre of the first pixel. A map takes a place of
the *new* picture to the place of the old one that it shows, as `scipy.ndimage.affine_transform`
does: old = A · new + b, kept as one matrix [A b; 0 1].
"""

import numpy as np

FILL_MODES = ("reflect", "constant", "wrap", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")
# Pictures resampled together: so many that NumPy's overhead is spread, and they still fit a cache.
_PIXELS_AT_ONCE = 65536


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
    first = (np.arange(count) * (height * width))[:, None, None]

    def pixel(row, column):
        inside = None
        if fill_mode == "constant":
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        place = first + _filled(row, height, fill_mode) * width + _filled(column, width, fill_mode)
        values = pixels.take(place, axis=0)
        if dtype != values.dtype:
            values = values.astype(dtype)
        if inside is not None:
            values[~inside] = fill_value
        return values

    if interpolation == "nearest":
        return pixel(*(np.floor(c + dtype(0.5)).astype(np.int64) for c in (row, column)))
    top, left = np.floor(row), np.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]
    top, left = top.astype(np.int64), left.astype(np.int64)
    upper, lower = pixel(top, left), pixel(top + 1, left)
    upper += right * (pixel(top, left + 1) - upper)
    lower += right * (pixel(top + 1, left + 1) - lower)
    upper += down * (lower - upper)
    return upper


def _filled(index, size, fill_mode):
    """The pixel inside that an index outside stands for."""
    if fill_mode == "reflect":
        index = index % (2 * size)
        return np.minimum(index, 2 * size - 1 - index)
    if fill_mode == "wrap":
        return index % size
    return np.clip(index, 0, size - 1)
