"""Small pictures, texts and tables that a real network can learn within a minute."""

import numpy as np
from sklearn import datasets

from benchmarks.diagnosis_programs.data import random


def _coloured(shapes, r):
    """Grey shapes (0 to 1) in a bright colour on a dark one, with noise."""
    count = len(shapes)
    bright, dark = r.uniform(0.5, 1.0, (count, 1, 1, 3)), r.uniform(0.0, 0.2, (count, 1, 1, 3))
    pictures = dark + (bright - dark) * shapes[..., None]
    return np.clip(pictures + r.normal(0, 0.02, pictures.shape), 0, 1).astype("float32")


def digits(classes, count, size=32):
    """Coloured pictures of digits, 0 to 1, and their number.

    Args:
        classes: digits that occur; their place in this sequence is the class.
        count: number of pictures; more than there are of them come in several colours.
        size: pixels of a side.
    """
    r = random()
    x, y = datasets.load_digits(return_X_y=True)
    places = np.concatenate([np.flatnonzero(y == digit) for digit in classes])
    rounds = [r.permutation(places) for _ in range(1 + count // len(places))]
    places = np.concatenate(rounds)[:count]
    numbers = {digit: place for place, digit in enumerate(classes)}
    times = size // 8
    shapes = np.kron(x[places].reshape(-1, 8, 8) / 16, np.ones((1, times, times)))
    return _coloured(shapes, r), np.array([numbers[digit] for digit in y[places]])


def one_of(rare, frequent, count, share, size=32):
    """Pictures of two digits, 0 to 1, of which the first has a share, and whether it is that."""
    r = random()
    few = max(1, round(count * share))
    parts = [digits([rare], few, size)[0], digits([frequent], count - few, size)[0]]
    y = np.repeat([1, 0], [few, count - few])
    order = r.permutation(count)
    return np.concatenate(parts)[order], y[order]


def sides(count, size=32):
    """Pictures with a spot in one of four corners, 0 to 1, and the number of the corner."""
    r = random()
    y = r.integers(0, 4, count)
    rows, columns = np.mgrid[:size, :size] / size
    centre = np.stack([y // 2, y % 2]) * 0.4 + r.uniform(0.2, 0.4, (2, count))
    down, across = (
        grid - place[:, None, None] for grid, place in zip((rows, columns), centre, strict=True)
    )
    return _coloured(np.exp(-(down**2 + across**2) / 0.01), r), y


def segments(count, size=32):
    """Digits with a class for each pixel: 0 around the digit, 1 or 2 in it, by its colour."""
    r = random()
    x, _ = digits(range(10), count, size)
    inside = x.max(axis=-1) > 0.4
    colour = r.integers(0, 2, count)
    tint = np.where(colour[:, None], [1.0, 0.3, 0.3], [0.3, 0.3, 1.0])[:, None, None]
    x = np.where(inside[..., None], x * tint, x).astype("float32")
    classes = np.where(inside, 1 + colour[:, None, None], 0)
    return x, classes.reshape(count, size * size)


def texts(count, length, padding=0, words=200, classes=4):
    """Numbers of words, with zeros around them; two words tell a class, one another.

    Args:
        count: number of texts.
        length: words of a text.
        padding: zeros before and behind it, together.
        words: size of the vocabulary, the padding's 0 included.
        classes: number of classes, each of which has ten words of its own.
    """
    r = random()
    y = r.integers(0, classes, count)
    first = 1 + 10 * classes
    x = r.integers(first, words, (count, length))
    other = (y + r.integers(1, classes, count)) % classes
    for place, topic in zip(r.random(x.shape).argsort(axis=1).T, (y, y, other), strict=False):
        x[np.arange(count), place] = 1 + 10 * topic + r.integers(0, 10, count)
    if padding:
        x = np.pad(x, [(0, 0), (padding // 2, padding - padding // 2)])
    return x.astype("int32"), y


def patients(count, size=16):
    """Pictures, a table of four columns, whether the picture is one of an ill patient, and a cost.

    The illness shows in the picture (a digit of 5 to 9), the cost depends on the table and on it.
    """
    r = random()
    pictures, digit = digits(range(10), count, size)
    table = r.normal(size=(count, 4)).astype("float32")
    ill = (digit >= 5).astype("int32")
    cost = table @ [0.6, -0.4, 0.3, 0.0] + 0.5 * ill + r.normal(0, 0.1, count)
    return pictures, table, ill, cost.astype("float32")[:, None]
