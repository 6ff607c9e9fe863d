"""Histograms binned where the tensor is, so that only the counts travel."""

from typing import Any

from keras import ops

BINS = 30


def histogram(tensor: Any, extremes: tuple[Any, Any] | None = None) -> Any:
    r"""Counts of a tensor's elements in equal bins between its minimum and its maximum.

    Bin \(j\) of \(b\) covers \([l + j w, l + (j + 1) w)\) with \(w = (h - l) / b\); the last one
    also holds \(h\).

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
