"""Remedies that change the examples: finite numbers, and labels that the loss takes."""

import numpy as np

from keras_dlnotes.remedies.draft import Remedy


def _make_finite(draft, _):
    draft.examples.append(lambda inputs, targets: _filled([_means(part) for part in inputs]))


def _means(part):
    """Mean of what is finite, by feature."""
    finite = np.isfinite(part)
    counts = np.maximum(finite.sum(axis=0), 1)
    return np.where(finite, part, 0.0).sum(axis=0) / counts


def _filled(means):
    def fill(x, y):
        known = np.isfinite(y.reshape(len(y), -1).astype("float64")).all(axis=1)
        x = [
            np.where(np.isfinite(part), part, mean).astype(part.dtype)[known]
            for part, mean in zip(x, means, strict=True)
        ]
        return x, y[known]

    return fill


FINITE_DATA = Remedy(
    "finite_data",
    _make_finite,
    lambda facts, _: (
        "the feature's mean in place of inputs that are not finite, and no examples "
        "whose target is not"
    ),
    lambda facts, _: [
        "known = np.isfinite(y.reshape(len(y), -1)).all(axis=1)",
        "x, y = x[known], y[known]",
        "x = np.where(np.isfinite(x), x, np.nanmean(np.where(np.isfinite(x), x, np.nan), axis=0))",
    ],
)


def _from_zero(targets):
    lowest = targets.min()
    return lambda y: y - lowest


# (what it does, the code, what learns it from the training targets)
_ENCODINGS = {
    "from_zero": ("classes counted from 0", "y = y - y.min()", _from_zero),
    "zero_one": (
        "the labels -1 and 1 as 0 and 1",
        'y = (y > 0).astype("float32")',
        lambda targets: lambda y: (y > 0).astype("float32"),
    ),
}


def _encode(draft, encoding):
    learn = _ENCODINGS[encoding][2]

    def examples(inputs, targets):
        encode = learn(targets)
        return lambda x, y: (x, encode(y))

    draft.examples.append(examples)


LABELS = Remedy(
    "labels",
    _encode,
    lambda facts, encoding: _ENCODINGS[encoding][0],
    lambda facts, encoding: [_ENCODINGS[encoding][1]],
)
