"""What the layers tab can show of each layer: how a view follows from the recorded statistics.

A view is a matrix, one row a step and one column a layer. NaN stands for "not known here" (a layer
without weights has no gradient); infinity for a number that was not finite.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """One choice of statistic.

    Args:
        name: short name, part of addresses.
        title: what a reader sees.
        needs: tags of the recorded statistics that it is computed from; any of them suffices.
        combine: function from the numbers of one layer, arrays of shape (steps, parts), one a
            needed tag that exists, in a dict by tag, to one number a step.
        scale: `"log"` or `"share"` (between 0 and 1, linear).
        healthy: `(low, high)` where the literature names a band, else None.
        source: where the band, or the use of the statistic, comes from.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    combine: Callable
    scale: str
    healthy: tuple[float, float] | None
    source: str


def _largest(parts):
    """The largest over the parts; NaN only where no part is known."""
    known = [array for array in parts.values() if array.size]
    stacked = np.concatenate(known, axis=1)
    filled = np.where(np.isnan(stacked), -np.inf, stacked).max(axis=1)
    return np.where(np.isnan(stacked).all(axis=1), np.nan, filled)


def _root_of_squares(parts):
    """The norm of all parts together."""
    (array,) = parts.values()
    # A NaN that was recorded as a norm is news, not a gap: recorded numbers keep it as infinity.
    return np.sqrt((array.astype(np.float64) ** 2).sum(axis=1))


def _update_ratio(parts):
    """Norm of a layer's whole update over the norm of all its weights."""
    ratios = parts.get("updates/ratio")
    norms = parts.get("weights/norm")
    if ratios is None or norms is None or ratios.shape != norms.shape:
        return _largest(parts)
    ratios, norms = ratios.astype(np.float64), norms.astype(np.float64)
    # A weight of norm 0 has no ratio: its update is not known, and left out on both sides.
    known = ~np.isnan(ratios)
    updates = np.where(known, ratios * norms, 0.0)
    total = np.sqrt((np.where(known, norms, 0.0) ** 2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.sqrt((updates**2).sum(axis=1)) / total
    return np.where(known.any(axis=1), result, np.nan)


def _sum(parts):
    stacked = np.concatenate(list(parts.values()), axis=1)
    return np.where(np.isnan(stacked).all(axis=1), np.nan, np.nansum(stacked, axis=1))


VIEWS = (
    View(
        "activation_scale",
        "Scale of activations",
        ("activations/standard_deviation",),
        _largest,
        "log",
        (0.1, 10.0),
        "standard deviation of a layer's output; Mishkin and Matas 2016 start every layer at 1",
    ),
    View(
        "gradient_norm",
        "Gradient norm",
        ("gradients/norm",),
        _root_of_squares,
        "log",
        None,
        "2-norm of the gradient of all weights of the layer; Glorot and Bengio 2010, figure 7",
    ),
    View(
        "update_ratio",
        "Update-to-weight ratio",
        ("updates/ratio", "weights/norm"),
        _update_ratio,
        "log",
        (1e-4, 1e-2),
        "norm of the update over norm of the weights; about 0.001 is healthy (CS231n, part 3)",
    ),
    View(
        "zero_fraction",
        "Zeros (dead units)",
        ("activations/zero_fraction",),
        _largest,
        "share",
        None,
        "share of outputs that are exactly 0; 1 after a ReLU is a dead layer",
    ),
    View(
        "saturated_fraction",
        "Saturation",
        ("activations/saturated_fraction",),
        _largest,
        "share",
        None,
        "share of outputs where the slope is below 5 % of its largest; Glorot and Bengio 2010",
    ),
    View(
        "non_finite",
        "Numbers that are not finite",
        ("activations/non_finite_count", "gradients/non_finite_count"),
        _sum,
        "log",
        None,
        "count of infinities and NaN in the layer's output and in its gradients",
    ),
    View(
        "weight_norm",
        "Weight norm",
        ("weights/norm",),
        _root_of_squares,
        "log",
        None,
        "2-norm of all weights of the layer",
    ),
)
