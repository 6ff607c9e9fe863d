"""Pictures turned, mirrored and cut out: affine maps of pixel coordinates, and resampling by them.

Coordinates are (row, column), counted from the centre of the first pixel. A map takes a place of
the *new* picture to the place of the old one that it shows, as `scipy.ndimage.affine_transform`
does: old = A · new + b, kept as one matrix [A b; 0 1].
"""

import numpy as np

from keras_dlnotes.backend.dtypes import is_floating

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


def scaled(maps, scale):
    """The maps of pictures shown in `scale` = (height, width) times as many pixels."""
    between = np.eye(3)
    between[[0, 1], [0, 1]] = scale
    between[:2, 2] = (np.asarray(scale) - 1) / 2  # pixels' edges are scaled, not their centres
    return between @ maps @ np.linalg.inv(between)


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
        if interpolation == "bilinear" and not is_floating(images.dtype):
            values = np.rint(values)
        resampled[part] = values
    return resampled


def _resampled(images, maps, size, interpolation, fill_mode, fill_value):
    count, height, width, channels = images.shape
    # Coordinates in float64 where single precision would not tell places of a pixel apart, and for
    # whole pixels, so that arrays of all dtypes show the same ones.
    single = images.dtype.itemsize <= 2 or images.dtype == np.float32
    dtype = np.float32 if single and interpolation == "bilinear" else np.float64
    maps = maps.astype(dtype)
    rows = np.arange(size[0], dtype=dtype)[:, None]
    columns = np.arange(size[1], dtype=dtype)
    row, column = (
        _folded(
            maps[:, axis, 0, None, None] * rows
            + (maps[:, axis, 1, None, None] * columns + maps[:, axis, 2, None, None]),
            images.shape[1 + axis],
            fill_mode,
        )
        for axis in (0, 1)
    )
    framed = _framed(images, fill_mode, fill_value)
    line = width + 2
    pixels = framed.reshape(-1, channels)
    corners = (np.arange(count) * ((height + 2) * line) + line + 1)[:, None, None]

    def numbers(row, column):
        numbers = row.astype(np.intp)
        numbers *= line
        numbers += column.astype(np.intp)
        numbers += corners
        return numbers

    if interpolation == "nearest":
        half = dtype(0.5)
        return pixels.take(numbers(np.floor(row + half), np.floor(column + half)), axis=0)
    # At the very end of the range the pixel on and the frame beyond have the weights 0 and 1.
    above = np.minimum(np.floor(row), height - 1)
    before = np.minimum(np.floor(column), width - 1)
    down, right = (row - above)[..., None], (column - before)[..., None]
    first = numbers(above, before)

    def neighbours(offset):
        return pixels[offset:].take(first, axis=0).astype(dtype, copy=False)

    def between(values, others, share):  # in place: memory is what takes the time
        others -= values
        others *= share
        values += others
        return values

    upper = between(neighbours(0), neighbours(1), right)
    lower = between(neighbours(line), neighbours(line + 1), right)
    return between(upper, lower, down)


def _folded(coordinate, size, fill_mode):
    """The place inside the picture or within a pixel of it that shows what a place outside does."""
    if fill_mode == "nearest":
        return np.clip(coordinate, 0, size - 1)
    if fill_mode == "constant":
        return np.clip(coordinate, -1, size)
    # Not `np.mod`, which is slower by far.
    if fill_mode == "wrap":
        return coordinate - size * np.floor(coordinate / size)
    half = coordinate.dtype.type(0.5)
    from_edge = coordinate + half
    from_edge -= 2 * size * np.floor(from_edge / (2 * size))
    return np.minimum(from_edge, 2 * size - from_edge) - half


def _framed(images, fill_mode, fill_value):
    """The pictures with a line of pixels more on each side, as `fill_mode` says."""
    count, height, width, channels = images.shape
    framed = np.empty((count, height + 2, width + 2, channels), images.dtype)
    framed[:, 1:-1, 1:-1] = images
    if fill_mode == "constant":
        if not is_floating(images.dtype):
            fill_value = round(fill_value)
        framed[:, [0, -1]] = fill_value
        framed[:, :, [0, -1]] = fill_value
        return framed
    above, below = (-2, 1) if fill_mode == "wrap" else (1, -2)
    framed[:, 0], framed[:, -1] = framed[:, above], framed[:, below]
    framed[:, :, 0], framed[:, :, -1] = framed[:, :, above], framed[:, :, below]
    return framed
