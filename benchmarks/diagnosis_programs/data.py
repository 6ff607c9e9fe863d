"""Data of the programs: scikit-learn's bundled sets and generated ones."""

import keras
import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler


def random():
    """A generator that follows the seed of the run."""
    return np.random.default_rng(np.random.randint(1 << 31))


def scaled(x):
    """Each feature with mean 0 and deviation 1."""
    return StandardScaler().fit_transform(x)


def one_hot(y):
    """One column a class."""
    return keras.utils.to_categorical(y)


def bundled(name, limit=600):
    """Inputs and targets of a bundled set, shuffled."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = random().permutation(len(x))[:limit]
    return x[order].astype("float32"), y[order]


def pixels(limit=600):
    """The digits as 16x16 images with one channel, 0 to 255, as image files hold them."""
    x, y = bundled("digits", limit)
    images = np.kron(x.reshape(-1, 8, 8), np.ones((1, 2, 2))) * 255 / 16
    return np.round(images)[..., None].astype("float32"), y


def xor():
    """The four cases."""
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32"), np.array([[0], [1], [1], [0]])


def sine(count=400, periods=1.0):
    """Y = sin(x)."""
    x = random().uniform(-np.pi * periods, np.pi * periods, (count, 1)).astype("float32")
    return x, np.sin(x)


def circles(count=400):
    """Two rings, one in the other."""
    x, y = datasets.make_circles(count, noise=0.08, factor=0.5, random_state=seed())
    return x.astype("float32"), y


def moons(count=400):
    """Two half moons."""
    x, y = datasets.make_moons(count, noise=0.15, random_state=seed())
    return x.astype("float32"), y


def blobs(count=400, classes=4, features=10):
    """Clusters, one a class."""
    x, y = datasets.make_blobs(count, features, centers=classes, cluster_std=3, random_state=seed())
    return x.astype("float32"), y


def unbalanced(count=800, share=0.9):
    """Two classes, one of them rare."""
    x, y = datasets.make_classification(
        count, 12, n_informative=8, weights=[share], class_sep=1.5, random_state=seed()
    )
    return x.astype("float32"), y


def houses(count=500):
    """Square feet, rooms, year and distance; the price in dollars."""
    r = random()
    feet, rooms = r.uniform(500, 4000, count), r.integers(1, 8, count)
    year, distance = r.integers(1920, 2020, count), r.uniform(0, 50, count)
    price = 120 * feet + 9000 * rooms + 300 * (year - 1920) - 2500 * distance
    price = price + r.normal(0, 15000, count)
    return np.stack([feet, rooms, year, distance], 1).astype("float32"), price.astype("float32")


def celsius():
    """Degrees Celsius and Fahrenheit."""
    x = np.linspace(-40, 60, 60, dtype="float32")[:, None]
    return x, 1.8 * x + 32


def passengers(window=12, count=400):
    """Windows of a monthly series with trend and season, and the next value."""
    t = np.arange(count + window)
    series = 200 + 0.5 * t + 60 * np.sin(2 * np.pi * t / 12) + random().normal(0, 5, len(t))
    x = np.stack([series[i : i + window] for i in range(count)])[..., None]
    return x.astype("float32"), series[window:].astype("float32")[:, None]


def wave(window=20, count=400):
    """Windows of a sine wave, and its next value."""
    t = random().uniform(0, 100, count)[:, None] + 0.3 * np.arange(window + 1)
    series = np.sin(t).astype("float32")
    return series[:, :-1, None], series[:, -1:]


def sequence_sums(count=500, length=10):
    """Random sequences, and whether they add up to more than 0."""
    x = random().normal(size=(count, length, 1)).astype("float32")
    return x, (x.sum(axis=(1, 2)) > 0).astype("int32")


def reviews(count=500, words=200, length=20):
    """Numbers of words, of which some are good and some are bad."""
    r = random()
    y = r.integers(0, 2, count)
    x = r.integers(20, words, (count, length))
    telling = r.random((count, length)) < 0.25
    x = np.where(telling, r.integers(0, 10, x.shape) + 10 * y[:, None], x)
    return x.astype("int32"), y


def tags(count=500):
    """Ten numbers and four labels of which several can be right."""
    r = random()
    x = r.normal(size=(count, 10)).astype("float32")
    y = (x @ r.normal(size=(10, 4)) > 0.5).astype("float32")
    return x, y


def seed():
    """An integer that follows the seed of the run."""
    return int(np.random.randint(1 << 31))


def shapes(count=240, size=16):
    """Noisy pictures of a square or a disc, which of both it is, and the mask of its pixels."""
    r = random()
    y = r.integers(0, 2, count)
    rows, columns = np.mgrid[:size, :size]
    centre, radius = r.integers(5, size - 5, (2, count)), r.integers(3, 5, count)
    down, across = (
        np.abs(g - c[:, None, None]) for g, c in zip((rows, columns), centre, strict=True)
    )
    reach = radius[:, None, None]
    masks = np.where(
        y[:, None, None], down**2 + across**2 <= reach**2, np.maximum(down, across) < reach
    )
    x = 0.7 * masks + r.normal(0.15, 0.1, masks.shape)
    return x[..., None].astype("float32"), y, masks[..., None].astype("float32")


def signals(count=360, length=32):
    """Sine, square and saw-tooth waves of any phase with noise, and which of them it is."""
    r = random()
    y = r.integers(0, 3, count)
    phase = (r.random((count, 1)) + r.uniform(0.06, 0.1, (count, 1)) * np.arange(length)) % 1
    waves = np.stack([np.sin(2 * np.pi * phase), np.sign(phase - 0.5), 2 * phase - 1])
    x = waves[y, np.arange(count)] + r.normal(0, 0.2, phase.shape)
    return x[..., None].astype("float32"), y


def patients(count=600):
    """Eight measurements in their units, and an illness that they foretell in three of four."""
    r = random()
    low = np.array([0, 60, 50, 10, 15, 18, 0.1, 21])
    high = np.array([12, 190, 100, 50, 300, 45, 1.5, 70])
    shares = r.beta(2, 3, (count, 8))
    score = shares @ np.array([1, 6, -1, 0, 1, 4, 2, 2]) - 5.6
    y = r.random(count) < 1 / (1 + np.exp(-2.5 * score))
    return (low + (high - low) * shares).astype("float32"), y.astype("int32")


def cars(count=400):
    """Cylinders, displacement, power, weight and year of cars, and miles per gallon."""
    r = random()
    cylinders = r.choice([4, 6, 8], count, p=[0.5, 0.25, 0.25])
    displacement = 45 * cylinders * r.uniform(0.6, 1.1, count)
    power = 15 * cylinders + r.normal(20, 15, count)
    weight = 1200 + 6 * displacement + r.normal(0, 300, count)
    year = r.integers(70, 83, count)
    mileage = 50000 / weight + 0.7 * (year - 70) - 0.02 * power + r.normal(0, 2, count)
    x = np.stack([cylinders, displacement, power, weight, year], 1)
    return x.astype("float32"), mileage.astype("float32")


def letters(count=600, length=12, alphabet=10):
    """Text in which the next letter is one of two, mostly the first; windows and next letter."""
    r = random()
    follows = np.stack([r.permutation(alphabet), r.permutation(alphabet)])
    text = [0]
    for choice in (r.random(count + length) > 0.8).astype(int):
        text.append(follows[choice, text[-1]])
    text = np.array(text)
    windows = np.lib.stride_tricks.sliding_window_view(text, length)[:count]
    return windows.astype("int32"), text[length : length + count].astype("int32")


def ratings(count=1500, users=30, items=20):
    """Numbers of a user and of an item, and stars from 1 to 5."""
    r = random()
    user, item = r.integers(0, users, count), r.integers(0, items, count)
    taste, kind = r.normal(size=(users, 3)), r.normal(size=(items, 3))
    stars = 3 + 0.7 * (taste[user] * kind[item]).sum(1) + r.normal(0, 0.4, count)
    stars = np.clip(np.round(stars), 1, 5).astype("float32")
    return {"user": user[:, None], "item": item[:, None]}, stars


def split(x, y, share=0.75):
    """The first part for training, the rest as `validation_data`."""
    cut = int(len(x) * share)
    return x[:cut], y[:cut], (x[cut:], y[cut:])
