r"""The statistics that the monitor records: pure functions from tensors to numbers.

Each takes the `TensorReductions` of \(k\) tensors and returns a float32 vector of \(k\) numbers.
Adding a statistic is one function here and one line in a table; one of activations also takes a
line in `COMBINED`, which says how what several replicas measured makes one number.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.measures.tensor_reductions import TensorReductions

BINS = 30  # of a histogram


def mean(tensors: TensorReductions) -> Any:
    r"""\(\mu = \frac{1}{n} \sum_i x_i\)."""
    return tensors.means


def standard_deviation(tensors: TensorReductions) -> Any:
    r"""\(\sigma = \sqrt{\frac{1}{n} \sum_i (x_i - \mu)^2}\)."""
    return ops.sqrt(ops.maximum(tensors.variances, 0.0))


def minimum(tensors: TensorReductions) -> Any:
    r"""\(\min_i x_i\)."""
    return tensors.minima


def maximum(tensors: TensorReductions) -> Any:
    r"""\(\max_i x_i\)."""
    return tensors.maxima


def largest_magnitude(tensors: TensorReductions) -> Any:
    r"""\(\max_i |x_i|\)."""
    return ops.maximum(ops.abs(tensors.minima), ops.abs(tensors.maxima))


def norm(tensors: TensorReductions) -> Any:
    r"""\(\|x\|_2 = \sqrt{\sum_i x_i^2}\)."""
    return ops.sqrt(tensors.sums_of_squares)


def zero_fraction(tensors: TensorReductions) -> Any:
    r"""\(\frac{1}{n} \sum_i \mathbb{1}\{x_i = 0\}\): after a ReLU, the share of silent units."""
    return tensors.zeros / tensors.counts


def non_finite_count(tensors: TensorReductions) -> Any:
    r"""\(\sum_i \mathbb{1}\{x_i \in \{\pm\infty, \text{NaN}\}\}\).

    A tensor whose extremes and mean are finite holds no such element, so the elements are
    counted only on the rare step on which some tensor fails that test.
    """
    suspects = ops.stack([tensors.means, tensors.minima, tensors.maxima])
    return ops.cond(
        ops.all(ops.isfinite(suspects)),
        lambda: ops.zeros((len(tensors),)),
        lambda: tensors.reduce(
            lambda x: active.reductions.count_where(ops.logical_not(ops.isfinite(x)))
        ),
    )


def saturated_fraction(tensors: TensorReductions, ranges: Mapping[int, tuple[float, float]]) -> Any:
    r"""\(\frac{1}{n} \sum_i \mathbb{1}\{|x_i - c| > r\}\) of some of the tensors.

    Args:
        tensors: the outputs of layers.
        ranges: dict from the place of an activation function's output among them to
            \((c, r)\), see `SATURATION`.
    """
    counts = tensors.counts
    if len(ranges) < len(tensors):
        counts = ops.take(counts, np.array(sorted(ranges)))
    return tensors.count_farther(ranges) / counts


def histogram(tensor: Any, extremes: tuple[Any, Any] | None = None) -> Any:
    r"""Counts of a tensor's elements in equal bins between its minimum and its maximum.

    Bin \(j\) of \(b\) covers \([l + j w, l + (j + 1) w)\) with \(w = (h - l) / b\); the last one
    also holds \(h\). They are binned where the tensor is, so that only the counts travel.

    Args:
        tensor: floating-point tensor of any shape.
        extremes: \(l\) and \(h\), where the tensor is a part of what is counted; else its own.

    Returns:
        Vector `[l, h, count_0, ..., count_(b-1)]` of 2 + `BINS` float32 numbers. Elements that are
        not finite make `l` or `h` not finite, and the counts then mean nothing; so does a tensor
        without elements.
    """
    if 0 in tuple(tensor.shape):
        ends = ops.stack(extremes) if extremes else ops.full((2,), float("nan"))
        return ops.concatenate([ops.cast(ends, "float32"), ops.zeros((BINS,))])
    flat = ops.cast(ops.reshape(ops.stop_gradient(tensor), (-1,)), "float32")
    low, high = extremes or (ops.min(flat), ops.max(flat))
    width = ops.where(high > low, high - low, ops.ones_like(high))
    place = ops.floor((flat - low) / width * BINS)
    # NaN has no bin; the caller drops such a histogram by its low or high.
    place = ops.where(ops.isfinite(place), place, ops.zeros_like(place))
    bins = ops.cast(ops.clip(place, 0, BINS - 1), "int32")
    counts = ops.segment_sum(ops.ones_like(flat), bins, num_segments=BINS)
    return ops.concatenate([ops.stack([low, high]), counts])


ACTIVATION_STATISTICS = {
    "mean": mean,
    "standard_deviation": standard_deviation,
    "minimum": minimum,
    "maximum": maximum,
    "zero_fraction": zero_fraction,
    "non_finite_count": non_finite_count,
}

GRADIENT_STATISTICS = {
    "mean": mean,
    "standard_deviation": standard_deviation,
    "norm": norm,
    "largest_magnitude": largest_magnitude,
    "non_finite_count": non_finite_count,
}

# Where an activation function is saturated: (center, radius) such that farther than the radius from
# the center its derivative is below 5 % of its largest value. For tanh 1 - a^2 < 0.05, for the
# sigmoid a (1 - a) < 0.05 / 4, for softsign (1 - |a|)^2 < 0.05; the hard ones are flat there.
SATURATION = {
    "tanh": (0.0, 0.95**0.5),
    "sigmoid": (0.5, 0.5 * 0.95**0.5),
    "softsign": (0.0, 1.0 - 0.05**0.5),
    "hard_tanh": (0.0, 0.999),
    "hard_sigmoid": (0.5, 0.4995),
}
