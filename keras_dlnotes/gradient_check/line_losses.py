"""Losses along many lines through one point, and the derivatives that they give."""

from typing import Any, NamedTuple

import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.gradient_check.row_programs import RowPrograms
from keras_dlnotes.gradient_check.shadow import PRECISIONS
from keras_dlnotes.numerics.central_differences import (
    NOISE_POINTS,
    Derivatives,
    derivatives,
    noise_level,
    random_directions,
    rounding,
    step_sizes,
)
from keras_dlnotes.numerics.gradient_verdict import PASSED, verdicts

backend = active.line_losses

_MOST_ROWS = 128
# Weights and activations that all rows of one call may hold together.
_MOST_NUMBERS = 2**22
_ACTIVATIONS_PER_DATUM = 16
# Between float64's and float32's: whoever has more noise than this computed in float32.
_NOISE_OF_FLOAT64 = 1e-11
# A derivative by relative changes of the weights that is smaller than this share of the loss is 0.
_NEGLIGIBLE = 1e-3
# Equal losses may differ by this share of their size.
_SAME = 1e-5


class NotDeterministicError(Exception):
    """The loss varies between equal evaluations; its argument is by how much."""


class Point(NamedTuple):
    """Where derivatives are taken: the targets' values, the loss, its gradient and noise there."""

    tensors: list[Any]
    loss: float | None
    gradients: list[Any]
    noise: float = 0.0


class LineLosses:
    """A scalar function of the targets, evaluated along lines through a point.

    A line moves the coordinates [low, high) of all targets' numbers, counted through, along a
    direction: one coordinate, a whole target or a part of it. All of these are rows of one
    program, which is compiled once.

    Args:
        function: takes the list of the targets' tensors and returns a scalar.
        targets: list of `Target`.
        dtype: "float64" or "float32".
        data_size: how many numbers the data have, by which activations are guessed.
        seed: integers, the seed of the random directions.
        progress: called with the number of evaluations after each call of the program.
    """

    def __init__(self, function, targets, dtype, data_size, seed, progress):
        self.targets = targets
        self.sizes = np.array([t.value.size for t in targets])
        self.offsets = np.concatenate([[0], np.cumsum(self.sizes)])
        # A step is taken relative to a target's size; one of zeros is moved by tenths.
        self.scales = np.array([max(np.sqrt(np.mean(t.value**2)), 0.1) for t in targets])
        self.precision = PRECISIONS[dtype]
        self._dtype = dtype
        self._function = function
        self._programs = RowPrograms(function)
        self._seed = seed
        self._progress = progress
        self._activations = _ACTIVATIONS_PER_DATUM * data_size
        self._gradient_way = None
        self.evaluations = 0

    def point(self, tensors):
        """The loss and its gradient at given values.

        Raises:
            Exception: what the function raises, if it cannot be differentiated in any way.
        """
        ways = [self._gradient_way] if self._gradient_way else [backend.WAYS[0], "eager"]
        for way in ways:
            try:
                if way != self._gradient_way:
                    self._gradient = backend.gradient_function(self._function, way)
                loss, gradients = self._gradient(tensors)
                self._gradient_way = way
                return Point(tensors, loss, gradients)
            except Exception:
                if way == "eager":
                    raise
        raise AssertionError("unreachable")

    def losses(self, point, directions, low, high, steps):
        """Losses at points on lines, and at the point itself.

        Args:
            point: a `Point`.
            directions: list of NumPy arrays, one a target.
            low: first moved coordinate, [rows].
            high: end of the moved coordinates, [rows].
            steps: how far along the direction, [rows].

        Returns:
            The loss at the point, by the program that evaluates the lines, and their losses.

        Raises:
            NotDeterministicError: if the loss at the point is not that of the gradient's program.
        """
        low, high, steps = (np.concatenate([part[:1], part]) for part in (low, high, steps))
        steps[0] = 0.0
        while True:
            losses = self._on_lines(point, directions, low, high, steps)
            if point.loss is None or _is_same(point, losses[0], self.targets):
                return float(losses[0]), losses[1:]
            # Not the same in the vectorised program: a fault of that, unless the loss is random.
            if not self._programs.use_next_way():
                raise NotDeterministicError(abs(losses[0] - point.loss))

    def _on_lines(self, point, directions, low, high, steps):
        whole = bool(np.isin(low, self.offsets).all() and np.isin(high, self.offsets).all())
        if whole:
            key, moved = None, self.offsets[-1]
            constants = point.tensors + [self.on_device(d) for d in directions]
        else:
            key = int(np.searchsorted(self.offsets, low[0], "right")) - 1
            constants, moved = point.tensors, self.sizes[key]
        most = int(np.clip(_MOST_NUMBERS // (moved + self._activations), 1, _MOST_ROWS))
        results = []
        for start in range(0, len(low), most):
            lines = tuple(r[start : start + most] for r in (low, high, steps))
            rows = self._whole_rows(*lines) if whole else self._part_rows(key, directions, *lines)
            count = len(rows)
            if backend.COMPILES_BY_ROW_COUNT:
                padding = np.zeros((most - count, *rows.shape[1:]), self._dtype)
                rows = np.concatenate([rows, padding])
            results.append(self._programs(key, constants, rows)[:count])
            self.evaluations += count
            self._progress(count)
        return np.concatenate(results)

    def _whole_rows(self, low, high, steps):
        """How far each target is moved along its direction, [rows, targets]."""
        inside = (low[:, None] <= self.offsets[:-1]) & (self.offsets[1:] <= high[:, None])
        return np.where(inside, steps[:, None], 0.0).astype(self._dtype)

    def _part_rows(self, j, directions, low, high, steps):
        """What is added to target j, [rows, *shape]."""
        rows = np.zeros((len(low), int(self.sizes[j])), self._dtype)
        direction, start = directions[j].reshape(-1), int(self.offsets[j])
        for row, a, b, step in zip(rows, low - start, high - start, steps, strict=True):
            row[a:b] = step * direction[a:b]
        return rows.reshape(-1, *directions[j].shape)

    @property
    def way(self):
        """How rows are evaluated: "vectorized", "loop" or "eager"."""
        return self._programs.way

    def on_device(self, array):
        """A NumPy array in the precision of the check."""
        return backend.constant(array.astype(self._dtype))

    def directions(self, number):
        """A random direction, each target's relative to its size; others have other numbers."""
        return [
            random_directions(size, 1, (*self._seed, 3, number, j)).reshape(t.value.shape) * scale
            for j, (t, size, scale) in enumerate(
                zip(self.targets, self.sizes, self.scales, strict=True)
            )
        ]

    def nudged(self, distance, number):
        """The targets' values moved in a random direction, relative to their sizes."""
        moves = self.directions(number)
        return [
            self.on_device(t.value + distance * m) for t, m in zip(self.targets, moves, strict=True)
        ]

    def along_axes(self):
        """The direction whose parts of one coordinate are the axes, scaled like the others."""
        return [np.full(t.value.shape, s) for t, s in zip(self.targets, self.scales, strict=True)]

    def least_noise(self, point):
        """The least noise there can be; enough if all lines agree at once."""
        return self.precision * abs(point.loss) + np.finfo(self._dtype).tiny

    def measured_noise(self, point):
        """How noisy the loss is; decides thereby whether it really is float64's."""
        # At a point nearby: a kink at the point itself would look like noise. Not far away, where
        # other units are saturated.
        nearby = self.nudged(1e-4, number=999)
        noise = self.noise_at(nearby)
        if self._dtype == "float64" and noise > _NOISE_OF_FLOAT64 * max(abs(point.loss), 1e-3):
            self.precision = PRECISIONS["float32"]
            noise = self.noise_at(nearby)
        return noise

    def noise_at(self, tensors):
        """How noisy the loss is at values of the targets that are not at a kink."""
        point = Point(tensors, loss=None, gradients=[])
        levels = []
        count, end = len(NOISE_POINTS), self.offsets[-1]
        for exponent in (0.63, 0.45):  # distances of 1e-10 and 1e-7 in float64
            distances = NOISE_POINTS * self.precision**exponent
            ranges = np.zeros(count, int), np.full(count, end)
            lines = [
                self.losses(point, self.directions(1000 + i), *ranges, distances) for i in range(3)
            ]
            # A kink that lies on one of the lines is no noise.
            levels.append(min(noise_level(losses) for _, losses in lines))
            size = max(abs(middle) for middle, _ in lines)
        return max(*levels, self.precision * size, np.finfo(self._dtype).tiny)

    def judge(self, point, directions, low, high, scale=None, sweep=True):
        """Compares the gradient with differences of the loss along lines.

        First by two losses a line: where they agree, no error estimate is needed. On the other
        lines the step is swept.

        Args:
            point: a `Point`.
            directions: list of NumPy arrays, one a target.
            low: first moved coordinate, [lines].
            high: end of the moved coordinates, [lines].
            scale: size of the whole gradient's derivatives, see `verdicts`; None for that of the
                largest line.
            sweep: whether the second step is taken.

        Returns:
            The gradient's derivatives, the numeric `Derivatives`, and the verdicts, each [lines].
        """
        low, high = np.asarray(low), np.asarray(high)
        analytic = self._analytic(point, directions, low, high)
        (h,) = step_sizes(self.precision, 1)
        steps = np.repeat([h, -h], len(low))
        _, losses = self.losses(point, directions, np.tile(low, 2), np.tile(high, 2), steps)
        plus, minus = losses.reshape(2, -1)
        zeros = np.zeros(len(low))
        numeric = Derivatives((plus - minus) / (2.0 * h), zeros + rounding(point.noise, h), zeros)
        if scale is None:
            scale = self.scale_of(point, analytic, numeric.value)
        result = verdicts(analytic, *numeric, self.precision, scale)
        (left,) = np.nonzero(result != PASSED)
        if left.size and sweep:
            swept = self._sweep(point, directions, low[left], high[left])
            numeric = Derivatives(*map(np.copy, numeric))
            for old, new in zip(numeric, swept, strict=True):
                old[left] = new
            result = verdicts(analytic, *numeric, self.precision, scale)
        return analytic, numeric, result

    def scale_of(self, point, *derivatives):
        """The largest of some derivatives, or a share of the loss below which they are zero."""
        largest = max(np.nanmax(np.abs(d), initial=0.0) for d in derivatives)
        return max(largest, _NEGLIGIBLE * abs(point.loss))

    def _sweep(self, point, directions, low, high):
        steps = step_sizes(self.precision)
        both = np.concatenate([steps, -steps])
        ranges = np.repeat(low, len(both)), np.repeat(high, len(both))
        middle, losses = self.losses(point, directions, *ranges, np.tile(both, len(low)))
        losses = losses.reshape(len(low), 2, len(steps))
        return derivatives(steps, losses[:, 0], losses[:, 1], middle, point.noise)

    def _analytic(self, point, directions, low, high):
        """The gradient's own derivatives along the same lines."""
        gradient = np.concatenate(
            [
                np.zeros(t.value.size) if g is None else np.asarray(g, "float64").reshape(-1)
                for g, t in zip(point.gradients, self.targets, strict=True)
            ]
        )
        direction = np.concatenate([d.reshape(-1) for d in directions])
        products = gradient * direction
        return np.array([products[i:j].sum() for i, j in zip(low, high, strict=True)])


def _is_same(point, loss, targets):
    """Whether a loss at the point is the point's own, but for rounding."""
    if not np.isfinite(point.loss):
        return True  # nothing to compare with, and nothing will be judged there
    difference = abs(loss - point.loss)
    if difference <= _SAME * abs(point.loss):
        return True
    # What the loss is made of may be more than what is left of it. Rounding, also float32's, is
    # far below this share of it; random numbers are far above.
    size = abs(point.loss) + sum(
        np.nansum(np.abs(g * t.value))
        for g, t in zip(point.gradients, targets, strict=True)
        if g is not None
    )
    return difference <= _SAME * size
