"""One tensor to be measured, its reductions computed once and shared by all statistics."""

from functools import cached_property

import keras
from keras import ops

from keras_dlnotes.backend import active


class Sample:
    """A tensor whose reductions are computed on first use and then shared.

    Gradients do not flow through it. Half-precision tensors are measured in float32, since the
    sum of 100,000 float16 numbers is not a float16 number.

    Args:
        tensor: floating-point tensor of any shape.
    """

    def __init__(self, tensor):
        tensor = ops.stop_gradient(tensor)
        if keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16"):
            tensor = ops.cast(tensor, "float32")
        self.tensor = tensor

    @cached_property
    def count(self):
        """Number of elements, as a number of the tensor's own dtype."""
        return ops.cast(ops.size(self.tensor), self.tensor.dtype)

    @cached_property
    def moments(self):
        """Mean and biased variance."""
        return active.reductions.moments([self.tensor])[0]

    @staticmethod
    def share_moments(samples):
        """Computes the moments of all samples together, which is faster than one by one."""
        waiting = [sample for sample in samples if "moments" not in sample.__dict__]
        if waiting:
            moments = active.reductions.moments([sample.tensor for sample in waiting])
            for sample, pair in zip(waiting, moments, strict=True):
                sample.moments = pair

    @cached_property
    def extremes(self):
        """Minimum and maximum."""
        return active.reductions.extremes(self.tensor)

    @cached_property
    def sum_of_squares(self):
        r"""Sum of all squared elements: \(n (\sigma^2 + \mu^2)\) where the moments are known."""
        if "moments" in self.__dict__:
            mean, variance = self.moments
            return self.count * (variance + mean**2)
        return active.reductions.sum_of_squares(self.tensor)
