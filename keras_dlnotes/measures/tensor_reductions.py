"""The tensors to be measured, their reductions computed once and shared by all statistics."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from keras import ops

from keras_dlnotes.backend import active

# Tensors that are measured as one are copied; this bounds the memory of a copy, in numbers.
_MOST_COPIED = 16_777_216


class TensorReductions:
    r"""Tensors whose reductions are computed on first use and then shared.

    Gradients do not flow through them. Half-precision tensors are measured in float32, since the
    sum of 100,000 float16 numbers is not a float16 number. Small tensors of one shape are laid
    out as the rows of one matrix, so that a statistic of all is one operation. Each property below
    is a float32 vector with one number a tensor, in the order in which they were given.

    Args:
        tensors: list of \(k\) floating-point tensors, each of any shape.
        once: whether a single reduction is wanted, for which fewer tensors are worth a copy.
    """

    def __init__(self, tensors: Sequence[Any], once: bool = False) -> None:
        tensors = [active.reductions.as_row(tensor) for tensor in tensors]
        stacked = active.reductions.stacked_size(once)
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, row in enumerate(tensors):
            size = row.shape[1]
            small = size is not None and size <= stacked
            key = (size, str(row.dtype)) if small else (size, place)
            alike.setdefault(key, []).append(place)
        self._places = [
            places[start : start + most]
            for (size, _), places in alike.items()
            for most in [max(1, _MOST_COPIED // max(1, size or 1))]
            for start in range(0, len(places), most)
        ]
        # From the order of the groups to that in which the tensors were given.
        placed = [place for places in self._places for place in places]
        self._order = None if placed == sorted(placed) else np.argsort(placed)
        self.matrices = [
            active.reductions.stack_rows([tensors[i] for i in places])
            if len(places) > 1
            else tensors[places[0]]
            for places in self._places
        ]

    def __len__(self) -> int:
        return sum(map(len, self._places))

    def reduce(self, function: Callable[[Any], Any]) -> Any:
        """A vector from a function that takes a matrix to a vector with one number a row."""
        return self._in_order([function(matrix) for matrix in self.matrices])

    def count_farther(self, ranges: Mapping[int, tuple[float, float]]) -> Any:
        r"""How many elements of some tensors are farther than a radius from a center.

        Args:
            ranges: dict from the place of a tensor to its `(center, radius)`.

        Returns:
            A vector with one number for each entry, in the order of their places.
        """
        counts, counted = [], []
        for matrix, places in zip(self.matrices, self._places, strict=True):
            rows = [row for row, place in enumerate(places) if place in ranges]
            if not rows:
                continue
            chosen = [places[row] for row in rows]
            if len(rows) < len(places):
                matrix = ops.take(matrix, np.array(rows), axis=0)
            centers, radii = zip(*(ranges[place] for place in chosen), strict=True)
            counts.append(active.reductions.count_farther(matrix, list(centers), list(radii)))
            counted += chosen
        order = None if counted == sorted(counted) else np.argsort(counted)
        return active.reductions.join(counts, order)

    @cached_property
    def counts(self) -> Any:
        """Number of elements."""
        return self.reduce(active.reductions.row_lengths)

    @cached_property
    def means(self) -> Any:
        """Mean."""
        return self._in_order([mean for mean, _ in self._moments])

    @cached_property
    def variances(self) -> Any:
        """Biased variance."""
        return self._in_order([variance for _, variance in self._moments])

    @cached_property
    def minima(self) -> Any:
        """Minimum."""
        return self._in_order([low for low, _ in self._extremes])

    @cached_property
    def maxima(self) -> Any:
        """Maximum."""
        return self._in_order([high for _, high in self._extremes])

    @cached_property
    def zeros(self) -> Any:
        """Number of elements that are exactly 0."""
        return self.reduce(active.reductions.count_zeros)

    @cached_property
    def sums_of_squares(self) -> Any:
        r"""Sum of squared elements: \(n (\sigma^2 + \mu^2)\) where the moments are known."""
        if "_moments" in self.__dict__ and all(m.shape[1] != 0 for m in self.matrices):
            return self.counts * (self.variances + self.means**2)
        return self.reduce(active.reductions.sum_of_squares)

    @cached_property
    def _moments(self) -> Any:
        return active.reductions.moments(self.matrices)

    @cached_property
    def _extremes(self) -> list[Any]:
        return [
            active.reductions.extremes(matrix) if matrix.shape[1] != 0 else _no_numbers(matrix)
            for matrix in self.matrices
        ]

    def _in_order(self, vectors: list[Any]) -> Any:
        return active.reductions.join(vectors, self._order)


def _no_numbers(matrix: Any) -> tuple[Any, Any]:
    """Extremes of rows without elements: NaN, as their mean is."""
    none = ops.full((matrix.shape[0],), float("nan"), dtype=matrix.dtype)
    return none, none
