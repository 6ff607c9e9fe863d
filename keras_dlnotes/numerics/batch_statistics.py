"""Mean and variance of a mini-batch, of parts of it, and averaged over many."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops


class BatchStatistics(NamedTuple):
    """What batch normalization needs of one mini-batch; C is the number of channels.

    Args:
        centred: Z - μ, of the inputs' shape, where μ is the mean of the example's own ghost batch.
        variance: σ² of the example's own ghost batch; broadcasts against the inputs.
        batch_mean: The mean over the whole batch, [C].
        batch_variance: The variance within ghost batches, pooled over the whole batch, [C].
        weight: How much this batch counts in a running average: the divisor of `batch_variance`, a
            scalar; [C] where the mask leaves each channel a number of its own.
    """

    centred: Any
    variance: Any
    batch_mean: Any
    batch_variance: Any
    weight: Any


def batch_statistics(
    inputs, axis, mask=None, ghost_batch_size=None, unbiased=False, sum_over_replicas=None
):
    """Statistics of Z over every axis but the channels'.

    For each channel, with the m positions that the mask leaves (all examples, and every place of
    a picture or step of a sequence in them):

        μ = 1/m Σᵢ Zᵢ        σ² = 1/m Σᵢ (Zᵢ - μ)²

    The variance is taken from the differences, not as E[Z²] - μ², which loses all its digits where
    the mean is large. Where no position is left, μ and σ² are 0.

    With ghost batches the n examples are split, in their order, into k = ⌈n / ghost_batch_size⌉
    parts whose sizes differ by one at most, so that no ragged rest of a single example, whose
    variance would be 0, is left over. Each is normalized by itself.

    Args:
        inputs: Z, a floating-point array of at least two axes, the first of them the examples.
        axis: The axis of the channels, counted from 0.
        mask: None or booleans that broadcast against `inputs`. Along `axis` of size 1 in most
            cases; where it is not, each channel has its own m.
        ghost_batch_size: The largest size of a ghost batch; None for one part.
        unbiased: Divide `batch_variance`, and only it, by m - k in place of m.
        sum_over_replicas: Adds up arrays over all replicas; None where each keeps its own sums.

    Returns:
        `BatchStatistics`.
    """
    axes = [i for i in range(len(inputs.shape)) if i != axis]
    total = sum_over_replicas or (lambda array: array)
    first_channel = (slice(None),) * axis + (slice(0, 1),)
    present = ops.ones_like(inputs[first_channel])
    if mask is not None:
        present = ops.where(mask, present, 0)

    def masked(values):
        # Not a product: what is masked may be infinite or NaN.
        return values if mask is None else ops.where(mask, values, 0)

    if ghost_batch_size is None:

        def spread(sums):
            return sums

        def part_sums(values):
            return total(ops.sum(values, axis=axes, keepdims=True))
    else:
        part, members, inside = _ghost_batches(ops.shape(inputs)[0], ghost_batch_size)
        inside = ops.reshape(inside, (*ops.shape(inside), *[1] * len(axes)))

        def spread(sums):
            return ops.take(sums, part, axis=0)

        def part_sums(values):
            # Not `segment_sum`, which on torch adds up in 32 bits.
            for each in axes[1:]:
                values = ops.sum(values, axis=each, keepdims=True)
            return ops.sum(ops.where(inside, ops.take(values, members, axis=0), 0), axis=1)

    counts = part_sums(present)
    divisors = ops.maximum(counts, 1)
    sums = part_sums(masked(inputs))
    centred = inputs - spread(sums / divisors)
    squares = part_sums(masked(centred * centred))

    by_channel = (-1,) if counts.shape[axis] != 1 else ()
    count = ops.reshape(ops.sum(counts, axis=0), by_channel)
    filled = ops.reshape(ops.sum(ops.cast(counts > 0, inputs.dtype), axis=0), by_channel)
    weight = count - filled if unbiased else count
    channels = inputs.shape[axis]
    return BatchStatistics(
        centred,
        spread(squares / divisors),
        ops.reshape(ops.sum(sums, axis=0), (channels,)) / ops.maximum(count, 1),
        ops.reshape(ops.sum(squares, axis=0), (channels,)) / ops.maximum(weight, 1),
        weight,
    )


def _ghost_batches(examples, size):
    """Splits examples 0..n-1 into k parts: example i goes into part ⌊i k / n⌋.

    Returns:
        The part of each example, [n]; the examples of each part, [k, longest], and which of those
        entries are really in it.
    """
    parts = 1 + abs(examples - 1) // size  # ⌈n / size⌉, and no division by 0 if there are none
    longest = -(-examples // parts)
    numbers = ops.arange(parts, dtype="int32")[:, None]
    starts = -(-numbers * examples // parts)
    members = starts + ops.arange(longest, dtype="int32")
    inside = members * parts // examples == numbers
    part = ops.arange(examples, dtype="int32") * parts // examples
    return part, ops.minimum(members, examples - 1), inside


def along_channels(vector, axis, inputs):
    """A vector over the channels in the inputs' dtype and a shape that broadcasts against them."""
    shape = [1] * len(inputs.shape)
    shape[axis] = -1
    return ops.reshape(ops.cast(vector, inputs.dtype), shape)


def mask_over_positions(mask, inputs):
    """A mask of the inputs' leading axes made to broadcast against them.

    Raises:
        ValueError: if the sizes contradict each other.
    """
    rank = len(inputs.shape)
    fits = 0 < len(mask.shape) <= rank and all(
        None in pair or 1 in pair or pair[0] == pair[1]
        for pair in zip(mask.shape, inputs.shape, strict=False)
    )
    if not fits:
        raise ValueError(
            "Expected a mask for the leading axes of the inputs. Received: mask of shape "
            f"{tuple(mask.shape)} with inputs of shape {tuple(inputs.shape)}. Give the mask an "
            "axis of size 1 where it is the same all along one of theirs, as in `mask[:, None]`."
        )
    mask = ops.cast(mask, "bool")
    while len(mask.shape) < rank:
        mask = ops.expand_dims(mask, -1)
    return mask


def normalize(centred, variance, epsilon, gamma=None, beta=None):
    """Z_norm = γ (Z - μ) / √(σ² + ε) + β; γ and β broadcast against Z - μ and may be None."""
    scale = ops.rsqrt(variance + epsilon)
    normalized = centred * (scale if gamma is None else scale * gamma)
    return normalized if beta is None else normalized + beta


def running_average(averages, values, total_weight, weight, momentum):
    """Takes one more batch into averages that are exact from the first batch on.

    With batches b = 1..t of weights w_b (equal ones drop out of the formula) and momentum m,

        average = Σ_b m^(t-b) w_b value_b / Σ_b m^(t-b) w_b

    which for equal weights is the exponential moving average that starts at 0, divided by
    1 - mᵗ as Adam's is. Without momentum (None), m = 1: the plain average over all batches.
    A batch of weight 0 changes nothing. Where channels have weights of their own, the largest is
    w_b for all of them, and a channel of weight 0 keeps its average.

    Args:
        averages: List of arrays, the averages so far. Before the first batch they count nothing.
        values: List of arrays, this batch's.
        total_weight: The denominator so far, times 1 - m where there is a momentum.
        weight: w_t, a scalar, or [C].
        momentum: m in [0, 1), or None.

    Returns:
        The list of new averages and the new total weight.

    Reference: Kingma and Ba, "Adam", 2015, section 3, for the equal weights.
    """
    keep, add = (1.0, 1.0) if momentum is None else (momentum, 1.0 - momentum)
    largest = ops.max(weight)
    added = add * largest
    kept = ops.where(largest > 0, keep * total_weight, total_weight)
    new_total = kept + added
    share = ops.where(weight > 0, added / ops.where(new_total > 0, new_total, 1), 0)
    pairs = zip(averages, values, strict=True)
    return [(1 - share) * old + share * new for old, new in pairs], new_total


def merged_moments(first, second):
    """Mean and variance of two sets together, from (count, mean, variance) of each.

    With δ = μ₂ - μ₁ and n = n₁ + n₂:

        μ = μ₁ + δ n₂/n        σ² = (n₁ σ₁² + n₂ σ₂²)/n + δ² n₁ n₂/n²

    Counts are numbers, or NumPy arrays of a number for each channel.

    Returns:
        `(count, mean, variance)` of the union, biased variance.

    Reference: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979, equation 1.5.
    """
    first_count, first_mean, first_variance = first
    second_count, second_mean, second_variance = second
    count = first_count + second_count
    share = second_count / np.maximum(count, 1)
    difference = second_mean - first_mean
    mean = first_mean + share * difference
    variance = (1 - share) * first_variance + share * second_variance
    return count, mean, variance + share * (1 - share) * difference**2
