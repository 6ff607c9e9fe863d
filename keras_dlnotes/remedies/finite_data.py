"""Data without NaN and infinite numbers."""

import numpy as np

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
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
    _apply,
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
