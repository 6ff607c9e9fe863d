"""Which coordinates of a target are wrong, once a direction has shown that some are."""

import itertools

import numpy as np

from keras_dlnotes.numerics.central_differences import Derivatives
from keras_dlnotes.numerics.gradient_verdict import FAILED

# So many coordinates are compared one by one, by how losses are evaluated.
_COMPARED = {"vectorized": 256, "loop": 128, "eager": 48}
_PARTS = 8
_MOST_FOLLOWED = 4


def sample_of_coordinates(losses, point, j):
    """Flat indices within target j: all of a small one, of a large one some.

    Among them are those of the largest gradient and, for each place, those that a transposition or
    a shift by one would put there, so that these can be told from other faults.
    """
    size = int(losses.sizes[j])
    most = _COMPARED[losses.way]
    if size <= most:
        return np.arange(size)
    shape = losses.targets[j].value.shape
    rng = np.random.default_rng(0)
    chosen: list = []
    gradient = point.gradients[j]
    if gradient is not None:
        chosen.append(np.argsort(-np.abs(np.asarray(gradient).reshape(-1)))[: most // 8])
    places = np.stack(np.unravel_index(rng.choice(size, most // 4, replace=False), shape))
    chosen += [np.ravel_multi_index(places, shape), *_relatives(places, shape)]
    unique = np.array(list(dict.fromkeys(np.concatenate(chosen).tolist())))
    return np.sort(unique[:most])


def _relatives(places, shape):
    """The places with two axes of one length swapped, and with an index one further."""
    for first in range(len(shape) - 1):
        for second in range(first + 1, len(shape)):
            if shape[first] == shape[second] > 1:
                swapped = places.copy()
                swapped[[first, second]] = swapped[[second, first]]
                yield np.ravel_multi_index(swapped, shape)
    for axis, length in enumerate(shape):
        if length > 2:
            moved = places.copy()
            moved[axis] = (moved[axis] + 1) % length
            yield np.ravel_multi_index(moved, shape)


def coordinates_found_by_halving(judge, directions, losses, point, j):
    """Flat indices within target j of a few coordinates that are wrong.

    A direction is cut into parts, and those parts are followed, down to single coordinates,
    whose derivative is most wrong.
    """
    start = int(losses.offsets[j])
    followed = [(start, start + int(losses.sizes[j]))]
    found = []
    while followed:
        parts = [
            (int(a), int(b))
            for low, high in followed
            for a, b in _pairs(np.linspace(low, high, _PARTS + 1).astype(int))
        ]
        low, high = map(np.array, zip(*parts, strict=True))
        analytic, numeric, result = judge(point, directions, low, high)
        difference = np.nan_to_num(np.abs(analytic - numeric.value), nan=np.inf)
        order = [i for i in np.argsort(-difference) if result[i] == FAILED]
        worst = [parts[i] for i in order[:_MOST_FOLLOWED]]
        found += [low for low, high in worst if high - low == 1]
        followed = [(low, high) for low, high in worst if high - low > 1]
    return np.array(found, int) - start


def _pairs(edges):
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


def compare_coordinates(judge, losses, point, j, indices):
    """Judges partial derivatives of target j at flat indices.

    Args:
        judge: `judge` or `judge_balanced` of `LineVerdicts`.
        losses: a `LineLosses`.
        point: a `Point`.
        j: number of the target.
        indices: [n].

    Returns:
        The analytic ones, the numeric `Derivatives`, both by the target's own coordinates, and the
        verdicts.
    """
    low = losses.offsets[j] + indices
    analytic, numeric, result = judge(point, losses.along_axes(), low, low + 1)
    unit = losses.scales[j]
    return analytic / unit, Derivatives(*(part / unit for part in numeric)), result
