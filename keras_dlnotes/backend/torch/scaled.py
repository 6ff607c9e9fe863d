"""A tensor times a number that has not been multiplied in yet."""

import torch


class Scaled:
    """factor · tensor, as one term of a sum.

    torch runs each operation by itself, and `a * x + b * y` is three passes over memory. Its own
    in-place sums take a factor along (`add(x, y, alpha=b)`), which saves the passes of the
    products. This class keeps the factor aside until a sum can take it, so that a rule written as
    a formula costs what a rule written in those operations would.

    Args:
        tensor: The tensor; a list of them as long as it is only multiplied by numbers.
        factor: The number.
        overwrite: Whether the first sum may be written into the tensor. It is for state that a rule
            reads once, to make the new state of it.
    """

    __slots__ = ("factor", "overwrite", "tensor")

    def __init__(self, tensor, factor=1.0, overwrite=False):
        self.tensor = tensor
        self.factor = factor
        self.overwrite = overwrite

    def value(self):
        """The product as a tensor."""
        return self.tensor if self.factor == 1 else self.tensor * self.factor

    def sqrt(self):
        """The square root of the product."""
        return Scaled(self.value().sqrt())

    def __neg__(self):
        return Scaled(self.tensor, -self.factor)

    def __mul__(self, other):
        if isinstance(other, Scaled):
            return Scaled(self.tensor * other.tensor, self.factor * other.factor)
        return Scaled(self.tensor, self.factor * other, self.overwrite)

    __rmul__ = __mul__

    def __truediv__(self, other):
        if isinstance(other, Scaled):
            return Scaled(self.tensor / other.tensor, self.factor / other.factor)
        return Scaled(self.tensor, self.factor / other)

    def __add__(self, other):
        if not isinstance(other, Scaled):
            return Scaled(self.value() + other)
        if self.overwrite:
            summed = self.tensor if self.factor == 1 else self.tensor.mul_(self.factor)
            return Scaled(summed.add_(other.tensor, alpha=other.factor))
        if self.factor == 1:
            return Scaled(torch.add(self.tensor, other.tensor, alpha=other.factor))
        if other.factor == 1:
            return Scaled(torch.add(other.tensor, self.tensor, alpha=self.factor))
        return Scaled((self.tensor * self.factor).add_(other.tensor, alpha=other.factor))

    def __sub__(self, other):
        return self + -other
