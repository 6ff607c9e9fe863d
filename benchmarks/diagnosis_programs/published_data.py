"""Data of the programs rebuilt from published benchmarks, of the same character as the original."""

import numpy as np
from sklearn import datasets

from benchmarks.diagnosis_programs.data import random, seed


def ship(count=500):
    """Class, sex, age, relatives, ticket, fare, cabin and port as numbers, and who survived."""
    r = random()
    rank, sex = r.integers(1, 4, count), r.integers(0, 2, count)
    age, relatives = r.gamma(6, 5, count), r.poisson(0.6, count)
    fare = 120 / rank**1.6 * r.lognormal(0, 0.5, count)
    ticket, cabin, port = (r.integers(0, high, count) for high in (680, 148, 3))
    score = 2.6 * sex - 1.1 * (rank - 2) - 0.03 * (age - 30) - 1.4
    x = np.stack([rank, sex, age, relatives, ticket, fare, cabin, port], 1)
    return x.astype("float32"), (r.random(count) < 1 / (1 + np.exp(-2 * score))).astype("int32")


def adults(count=600):
    """Age, a census weight, years of school, gains, hours and codes; who earns much."""
    r = random()
    age, school, hours = (
        r.integers(17, 80, count),
        r.integers(1, 17, count),
        r.normal(40, 10, count),
    )
    gain = np.where(r.random(count) < 0.1, r.integers(1000, 20000, count), 0)
    weight = r.integers(20000, 400000, count)
    codes = r.integers(0, 8, (count, 5))
    score = 0.35 * (school - 10) + 0.05 * (hours - 40) + 0.03 * (age - 40) + gain / 3000 - 1
    x = np.column_stack([age, weight, school, gain, hours, codes])
    return x.astype("float32"), (score + r.normal(0, 0.7, count) > 0).astype("int32")


def packets(count=500, classes=2):
    """Eleven raw numbers of network packets, ports and bytes among them, and the kind of packet."""
    r = random()
    y = r.integers(0, classes, count)
    x = r.lognormal(3, 0.8, (count, 11)) * np.array([1, 2, 0.1, 5, 1, 0.2, 3, 1, 0.5, 2, 1])
    x[:, 0] = r.integers(1024, 65535, count)
    x[:, 1] = r.normal(400 + 300 * y, 120)
    x[:, 2] = r.normal(30 - 5 * y, 4)
    x[:, 3] = r.normal(60 + 40 * (y % 2), 15)
    return x.astype("float32"), y.astype("int32")


def several_labels(count=800, classes=3):
    """Counts of words, and topics of which several can be right."""
    x, y = datasets.make_multilabel_classification(
        count, 20, n_classes=classes, n_labels=2, random_state=seed()
    )
    return x.astype("float32"), y.astype("float32")


def bits(width=8):
    """All binary numbers of a width."""
    return (np.arange(2**width)[:, None] >> np.arange(width) & 1).astype("float32")


def life(count=600, size=6):
    """Boards of the game of life with their wrapped rim, and the boards that follow."""
    board = (random().random((count, size, size)) < 0.5).astype("int32")
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    near = sum(np.roll(board, shift, (1, 2)) for shift in shifts)
    after = (near == 3) | ((board == 1) & (near == 2))
    rim = np.pad(board, ((0, 0), (1, 1), (1, 1)), mode="wrap")
    return rim[..., None].astype("float32"), after[..., None].astype("float32")


def colour_pictures(count=360, classes=3, size=16):
    """Colour pictures with bytes of a square, a disc, a cross or a bar, and which it is."""
    r = random()
    y = r.integers(0, classes, count)
    rows, columns = np.mgrid[:size, :size]
    centre = r.integers(5, size - 5, (2, count))
    down = np.abs(rows - centre[0][:, None, None])
    across = np.abs(columns - centre[1][:, None, None])
    near = np.maximum(down, across) < 5
    masks = np.stack(
        [
            np.maximum(down, across) < 4,
            down**2 + across**2 <= 18,
            near & ((down < 1) | (across < 1)),
            near & (down < 2),
        ]
    )[y, np.arange(count)]
    colour = r.uniform(90, 220, (count, 1, 1, 3))
    x = masks[..., None] * colour + r.normal(30, 12, (count, size, size, 3))
    return np.clip(np.round(x), 0, 255).astype("float32"), y.astype("int32")


def keypoints(count=400, size=16):
    """Pictures with two bright spots, and their four coordinates from -1 to 1."""
    r = random()
    rows, columns = np.mgrid[:size, :size]
    spots = np.stack(
        [
            r.uniform(2, size - 3, count),
            r.uniform(1, 6, count),
            r.uniform(2, size - 3, count),
            r.uniform(9, size - 2, count),
        ],
        1,
    )
    x = r.normal(0.1, 0.03, (count, size, size))
    for i in (0, 2):
        distance = (rows - spots[:, i, None, None]) ** 2 + (
            columns - spots[:, i + 1, None, None]
        ) ** 2
        x += 0.8 * np.exp(-distance / 3)
    return x.astype("float32"), (spots / (size / 2) - 1).astype("float32")


def word_counts(count=500, words=400):
    """Which of some words a review has, and whether it is a good one."""
    r = random()
    y = r.integers(0, 2, count)
    x = r.random((count, words)) < 0.05
    x[:, :20] |= r.random((count, 20)) < np.where(y, 0.15, 0)[:, None]
    x[:, 20:40] |= r.random((count, 20)) < np.where(y, 0, 0.15)[:, None]
    return x.astype("float32"), y.astype("float32")


def topics(count=500, classes=5, length=20):
    """Numbers of words of short texts, and which of some topics they are about."""
    r = random()
    y = r.integers(0, classes, count)
    x = r.integers(100, 300, (count, length))
    telling = r.random((count, length)) < 0.35
    return np.where(telling, 20 * y[:, None] + r.integers(0, 20, x.shape), x).astype("int32"), y


def heartbeats(count=300, length=120):
    """Recordings with beats, and one of three rhythms they have."""
    r = random()
    y = r.integers(0, 3, count)
    period = np.array([14, 20, 29])[y][:, None] * r.uniform(0.95, 1.05, (count, 1))
    phase = (np.arange(length) + r.uniform(0, 30, (count, 1))) % period
    x = np.exp(-((phase - 4) ** 2) / 2) + r.normal(0, 0.1, (count, length))
    return x[..., None].astype("float32"), y


def classes_of_sums(count=200, length=12):
    """Padded sequences of five numbers, a label 1 or 2 for each step, and 0 for padding."""
    r = random()
    x = r.normal(size=(count, length, 5)).astype("float32")
    y = 1 + (x.sum(2) > 0)
    padding = np.arange(length) >= r.integers(5, length + 1, (count, 1))
    x[padding] = 0
    return x, np.where(padding, 0, y).astype("int32")[..., None]
