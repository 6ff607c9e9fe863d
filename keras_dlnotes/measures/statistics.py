r"""The statistics that the monitor records: pure functions from samples to numbers.

Each takes a list of \(k\) samples and returns a vector of \(k\) numbers, so that a statistic may
share work between tensors. Adding a statistic is one function here and one line in a table.
"""

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.measures.sample import Sample


def _vector(numbers):
    if len({keras.backend.standardize_dtype(number.dtype) for number in numbers}) > 1:
        numbers = [ops.cast(number, "float32") for number in numbers]
    return ops.cast(ops.stack(numbers), "float32")


def mean(samples):
    r"""\(\mu = \frac{1}{n} \sum_i x_i\)."""
    Sample.share_moments(samples)
    return _vector([sample.moments[0] for sample in samples])


def standard_deviation(samples):
    r"""\(\sigma = \sqrt{\frac{1}{n} \sum_i (x_i - \mu)^2}\)."""
    Sample.share_moments(samples)
    return ops.sqrt(ops.maximum(_vector([sample.moments[1] for sample in samples]), 0.0))


def minimum(samples):
    r"""\(\min_i x_i\)."""
    return _vector([sample.extremes[0] for sample in samples])


def maximum(samples):
    r"""\(\max_i x_i\)."""
    return _vector([sample.extremes[1] for sample in samples])


def largest_magnitude(samples):
    r"""\(\max_i |x_i|\)."""
    return ops.maximum(ops.abs(minimum(samples)), ops.abs(maximum(samples)))


def norm(samples):
    r"""\(\|x\|_2 = \sqrt{\sum_i x_i^2}\)."""
    return ops.sqrt(_vector([sample.sum_of_squares for sample in samples]))


def zero_fraction(samples):
    r"""\(\frac{1}{n} \sum_i \mathbb{1}\{x_i = 0\}\): after a ReLU, the share of silent units."""
    zeros = _vector([active.reductions.count_zeros(sample.tensor) for sample in samples])
    return zeros / _vector([sample.count for sample in samples])


def non_finite_count(samples):
    r"""\(\sum_i \mathbb{1}\{x_i \in \{\pm\infty, \text{NaN}\}\}\).

    A tensor whose extremes and mean are finite holds no such element, so the elements are
    counted only on the rare step on which some tensor fails that test.
    """
    suspects = ops.stack([mean(samples), minimum(samples), maximum(samples)])

    def count():
        return _vector([active.reductions.count_where(~ops.isfinite(s.tensor)) for s in samples])

    return ops.cond(ops.all(ops.isfinite(suspects)), lambda: ops.zeros((len(samples),)), count)


def saturated_fraction(sample, center, radius):
    r"""\(\frac{1}{n} \sum_i \mathbb{1}\{|x_i - c| > r\}\) with \(c\) `center`, \(r\) `radius`."""
    saturated = active.reductions.count_where(ops.abs(sample.tensor - center) > radius)
    return saturated / ops.cast(sample.count, "float32")


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
