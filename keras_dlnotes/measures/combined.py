r"""Statistics of a whole tensor from those of its parts, exactly.

Several replicas each measure their part of a batch. Each function takes what they measured and
returns, in float64, what one replica would have measured on the whole. A part without elements
does not count, whatever was measured on it.

Symbols, each an array of \(R\) parts × \(k\) tensors: `counts` \(n_r\), the numbers of elements;
`values`, the statistic of each part; `means` \(\mu_r\), which only the standard deviation needs.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def combined_mean(
    counts: ArrayLike, values: ArrayLike, means: ArrayLike | None = None
) -> np.ndarray:
    r"""\(\mu = \frac{1}{N} \sum_r n_r \mu_r\) with \(N = \sum_r n_r\); so are shares combined."""
    return _ratio(_total(counts, np.asarray(counts, "float64") * values), counts)


def combined_standard_deviation(
    counts: ArrayLike, values: ArrayLike, means: ArrayLike
) -> np.ndarray:
    r"""\(\sigma = \sqrt{\frac{1}{N} \sum_r n_r (\sigma_r^2 + (\mu_r - \mu)^2)}\)."""
    values, means = np.asarray(values, "float64"), np.asarray(means, "float64")
    with np.errstate(invalid="ignore"):  # infinite means
        squares = counts * (values**2 + (means - combined_mean(counts, means)) ** 2)
    return np.sqrt(_ratio(_total(counts, squares), counts))


def combined_minimum(
    counts: ArrayLike, values: ArrayLike, means: ArrayLike | None = None
) -> np.ndarray:
    r"""\(\min_r \min_r\); NaN where a part holds one."""
    smallest = np.where(np.asarray(counts) > 0, values, np.inf).min(axis=0)
    return np.where(_any_elements(counts), smallest, np.nan)


def combined_maximum(
    counts: ArrayLike, values: ArrayLike, means: ArrayLike | None = None
) -> np.ndarray:
    r"""\(\max_r \max_r\); NaN where a part holds one."""
    return -combined_minimum(counts, -np.asarray(values, "float64"))


def combined_count(
    counts: ArrayLike, values: ArrayLike, means: ArrayLike | None = None
) -> np.ndarray:
    """Counts add up."""
    return _total(counts, values)


def combined_histogram(counts: ArrayLike, values: ArrayLike) -> np.ndarray:
    """Counts between common extremes add up.

    Args:
        counts: vector of R numbers of elements.
        values: R rows as `histogram` returns them, of one low and one high.
    """
    values = np.asarray(values, "float64")
    return np.concatenate([values[0, :2], _total(np.asarray(counts)[:, None], values[:, 2:])])


COMBINED = {
    "mean": combined_mean,
    "standard_deviation": combined_standard_deviation,
    "minimum": combined_minimum,
    "maximum": combined_maximum,
    "zero_fraction": combined_mean,
    "saturated_fraction": combined_mean,
    "non_finite_count": combined_count,
}


def _total(counts: ArrayLike, values: ArrayLike) -> np.ndarray:
    return np.where(np.asarray(counts) > 0, np.asarray(values, "float64"), 0.0).sum(axis=0)


def _any_elements(counts: ArrayLike) -> np.ndarray:
    return np.asarray(counts).sum(axis=0) > 0


def _ratio(total: Any, counts: ArrayLike) -> np.ndarray:
    """Per element; NaN where there is none."""
    number = np.asarray(counts, "float64").sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1.0), np.nan)
