"""What is probably wrong with a gradient, from its coordinates and the numeric ones."""

import numpy as np

_MOST_NAMED = 5


def likely_cause(analytic, numeric, tolerance, indices, shape):
    """One sentence on how an analytic gradient differs from the numeric one.

    The explanations are tried from the most to the least specific; each must hold at every
    coordinate that was compared, within the tolerance.

    Args:
        analytic: a, [n] coordinates.
        numeric: n, [n] the same coordinates.
        tolerance: the difference that is not news, [n].
        indices: [n] flat indices of these coordinates.
        shape: shape of the variable.

    Returns:
        The sentence, or "" where all coordinates agree.
    """
    if not np.isfinite(analytic).all():
        return "not finite: the gradient has NaN or infinite coordinates"
    wrong = np.abs(analytic - numeric) > tolerance
    if not wrong.any():
        return ""
    a, n, t = analytic[wrong], numeric[wrong], tolerance[wrong]
    explanations = (
        _cut(a, n, t, wrong),
        _swapped_axes(analytic, numeric, tolerance, indices, shape),
        _moved(analytic, numeric, tolerance, indices, shape),
        _proportional(a, n, t, wrong),
        _clipped(a, n, t, analytic, tolerance),
        _constant_offset(a, n, t, wrong),
        _few(wrong, indices, shape, analytic.size),
        _by_slices(wrong, a, n, t, indices, shape),
    )
    return next((text for text in explanations if text), _missing(a, n))


def _where(wrong):
    return "" if wrong.all() else f" in {wrong.sum()} of {wrong.size} compared coordinates"


def _cut(a, n, t, wrong):
    if (np.abs(a) <= t).all():
        return f"no gradient arrives{_where(wrong)}: it is None or cut by stop_gradient"
    return ""


def _proportional(a, n, t, wrong):
    weight = n / np.maximum(t, np.finfo(float).tiny ** 0.25) ** 2
    factor = np.dot(weight, a) / np.dot(weight, n) if np.dot(weight, n) > 0.0 else 1.0
    if a.size < 2 and wrong.size > 1:
        return ""
    if not (np.abs(a - factor * n) <= t * (1.0 + abs(factor))).all():
        return ""
    if abs(factor + 1.0) < 1e-3:
        return f"wrong sign{_where(wrong)}"
    sign = "wrong sign and a " if factor < 0.0 else "a "
    return f"{sign}constant factor {factor:.4g} off{_where(wrong)}"


def _swapped_axes(analytic, numeric, t, indices, shape):
    """The coordinates (.., j, i) of the analytic gradient are (.., i, j) of the numeric one."""
    if len(shape) < 2:
        return ""
    for first in range(len(shape) - 1):
        for second in range(first + 1, len(shape)):
            if shape[first] != shape[second] or shape[first] == 1:
                continue
            places = list(np.unravel_index(indices, shape))
            places[first], places[second] = places[second], places[first]
            if _permuted(analytic, numeric, t, indices, np.ravel_multi_index(places, shape)):
                return f"transposed: axes {first} and {second} of the gradient are swapped"
    return ""


def _moved(analytic, numeric, t, indices, shape):
    for axis, length in enumerate(shape):
        if length < 3:
            continue
        places = list(np.unravel_index(indices, shape))
        for shift in (1, -1):
            moved = [*places]
            moved[axis] = (places[axis] + shift) % length
            if _permuted(analytic, numeric, t, indices, np.ravel_multi_index(moved, shape)):
                return f"off by one: the gradient is shifted by {shift} along axis {axis}"
        reversed_places = [*places]
        reversed_places[axis] = length - 1 - places[axis]
        flipped = np.ravel_multi_index(reversed_places, shape)
        if _permuted(analytic, numeric, t, indices, flipped):
            return f"reversed: the gradient runs backwards along axis {axis}"
    return ""


def _permuted(analytic, numeric, t, indices, sources):
    """Whether analytic[i] is numeric[source of i] wherever both were compared."""
    known = dict(zip(indices.tolist(), range(indices.size), strict=True))
    pairs = [(i, known[s]) for i, s in enumerate(sources.tolist()) if s in known]
    if len(pairs) < 3:
        return False
    here, there = np.array(pairs).T
    # Both must differ somewhere, or the permutation explains nothing.
    informative = np.abs(numeric[here] - numeric[there]) > t[here] + t[there]
    agree = np.abs(analytic[here] - numeric[there]) <= 2.0 * (t[here] + t[there])
    return informative.sum() >= 2 and bool(agree.all())


def _clipped(a, n, t, analytic, tolerance):
    bound = np.abs(a).max()
    at_bound = np.abs(np.abs(a) - bound) <= t
    outside = np.abs(n) > bound
    within = np.abs(analytic) <= bound + tolerance
    if at_bound.all() and outside.all() and (np.sign(a) == np.sign(n)).all() and within.all():
        return f"clipped to magnitudes of at most {bound:.4g}"
    return ""


def _constant_offset(a, n, t, wrong):
    offset = np.median(a - n)
    if a.size > 2 and (np.abs(a - n - offset) <= 2.0 * t).all():
        return f"a constant {offset:.4g} is added{_where(wrong)}"
    return ""


def _few(wrong, indices, shape, compared):
    count = int(wrong.sum())
    if count > max(1, min(_MOST_NAMED, compared // 4)):
        return ""
    named = [tuple(map(int, np.unravel_index(i, shape))) for i in indices[wrong]]
    return f"wrong only at {', '.join(map(str, named))}, right at the other compared coordinates"


def _by_slices(wrong, a, n, t, indices, shape):
    """Whole slices along one axis are wrong and the others right."""
    for axis, place in enumerate(np.unravel_index(indices, shape)):
        bad = sorted(set(place[wrong].tolist()))
        if wrong.all() or len(bad) == len(set(place.tolist())):
            continue
        if wrong[np.isin(place, bad)].all():
            listed = ", ".join(map(str, bad[:_MOST_NAMED])) + (", ..." if len(bad) > 5 else "")
            return f"wrong only at index {listed} of axis {axis}{_slope(a, n, t)}"
    return ""


def _slope(a, n, t):
    return f" ({_proportional(a, n, t, np.ones(a.size, bool)) or _missing(a, n)})"


def _missing(a, n):
    share = np.dot(a, n) / np.dot(n, n) if np.any(n) else np.inf
    if 0.0 < share < 1.0:
        return f"a term is missing: the gradient holds {share:.0%} of the numeric one"
    if share < 0.0:
        return "a term is missing or has the wrong sign: the gradient points the other way"
    return "a term is too many or computed along the wrong axis"
