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
    where = _where(wrong, indices, shape)
    explanations = (
        _cut(a, t, where),
        _flat(n, t, where),
        _swapped_axes(analytic, numeric, tolerance, indices, shape),
        _moved(analytic, numeric, tolerance, indices, shape),
        f"wrong{where}" if a.size == 1 and wrong.size > 1 else "",
        _proportional(a, n, t, where),
        _clipped(a, n, t, analytic, tolerance),
        _constant_offset(a, n, t, where),
    )
    return next((text for text in explanations if text), _missing(a, n, where))


def _where(wrong, indices, shape):
    """Which of the compared coordinates are wrong, as the end of a sentence."""
    count = int(wrong.sum())
    if count == wrong.size:
        return ""
    if count <= max(1, min(_MOST_NAMED, wrong.size // 10)):
        named = [str(tuple(map(int, np.unravel_index(i, shape)))) for i in indices[wrong]]
        return f" only at {', '.join(named)}"
    for axis, place in enumerate(np.unravel_index(indices, shape)):
        bad = sorted(set(place[wrong].tolist()))
        if len(bad) < len(set(place.tolist())) and wrong[np.isin(place, bad)].all():
            named = [str(b) for b in bad[:_MOST_NAMED]] + ["..."] * (len(bad) > _MOST_NAMED)
            return f" only at index {', '.join(named)} of axis {axis}"
    return f" in {count} of {wrong.size} compared coordinates"


def _cut(a, t, where):
    if (np.abs(a) <= t).all():
        return f"no gradient arrives{where}: it is None or cut by stop_gradient"
    return ""


def _flat(n, t, where):
    if (np.abs(n) <= t).all():
        return (
            f"the loss does not change{where}, but the gradient says so: rounding, a cast to few "
            "bits or a maximum's index with a gradient made up (straight-through)"
        )
    return ""


def _proportional(a, n, t, where):
    factor = np.dot(n, a) / np.dot(n, n) if np.any(n) else 0.0
    allowed = t * (1.0 + abs(factor))
    if not ((np.abs(a - factor * n) <= allowed) & (allowed < np.abs(a).max())).all():
        return ""
    if abs(factor + 1.0) < 1e-3:
        return f"wrong sign{where}"
    sign = "wrong sign and a " if factor < 0.0 else "a "
    off = abs(factor - 1.0)
    amount = f"{factor:.{4 if off > 1e-2 else 6}g}" if off > 1e-4 else f"1 + {factor - 1.0:.2g}"
    return f"{sign}constant factor {amount} off{where}"


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
            sources = np.ravel_multi_index(moved, shape)
            # What is shifted in at the end may be anything, of a convolution's padding for example.
            inner = np.abs(moved[axis] - places[axis]) == 1
            if _permuted(analytic, numeric, t, indices, np.where(inner, sources, -1)):
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


def _constant_offset(a, n, t, where):
    offset = np.median(a - n)
    if a.size > 2 and (np.abs(a - n - offset) <= 2.0 * t).all():
        return f"a constant {offset:.4g} is added{where}"
    return ""


def _missing(a, n, where):
    share = np.dot(a, n) / np.dot(n, n) if np.any(n) else np.inf
    if abs(share - 1.0) < 1e-6:  # what is wrong stands at right angles to what is right
        return f"a term is missing or too many{where}"
    if 0.0 < share < 1.0:
        lacking = f"{100.0 * (1.0 - share):.2g}%"
        return f"a term is missing{where}: the gradient lacks {lacking} of the numeric one"
    if share < 0.0:
        return f"a term is missing or has the wrong sign{where}"
    return f"a term is too many or computed along the wrong axis{where}"
