"""Losses along many lines through one point."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.private_names import PrivateNameError
from keras_dlnotes.numerics.central_differences import random_direction

backend = active.scalar_functions

_MOST_ROWS = 128
# Weights and activations that all rows of one call may hold together.
_MOST_NUMBERS = 2**22
_ACTIVATIONS_PER_DATUM = 16
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
        targets: list of `CheckedArray`.
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
        self.dtype = dtype
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
            except PrivateNameError:
                raise  # no slower way helps
            except Exception:
                if way == "eager":
                    raise
        raise AssertionError("unreachable")

    def along(self, point, directions, low, high, steps):
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
                padding = np.zeros((most - count, *rows.shape[1:]), self.dtype)
                rows = np.concatenate([rows, padding])
            results.append(self._programs(key, constants, rows)[:count])
            self.evaluations += count
            self._progress(count)
        return np.concatenate(results)

    def _whole_rows(self, low, high, steps):
        """How far each target is moved along its direction, [rows, targets]."""
        inside = (low[:, None] <= self.offsets[:-1]) & (self.offsets[1:] <= high[:, None])
        return np.where(inside, steps[:, None], 0.0).astype(self.dtype)

    def _part_rows(self, j, directions, low, high, steps):
        """What is added to target j, [rows, *shape]."""
        rows = np.zeros((len(low), int(self.sizes[j])), self.dtype)
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
        return backend.constant(array.astype(self.dtype))

    def directions(self, number):
        """A random direction, each target's relative to its size; others have other numbers."""
        return [
            random_direction(size, (*self._seed, 3, number, j)).reshape(t.value.shape) * scale
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


class RowPrograms:
    """Evaluates a function of a list of tensors, each row of numbers moving them differently.

    There are two kinds of programs, compiled when they are first needed. One moves each tensor as a
    whole along a direction; its rows hold a step for each tensor. The others move one tensor each;
    their rows hold what is added to it. All that comes before that tensor is then the same in all
    rows and computed once. What comes after it has weights that do not move, and sees the rows as a
    larger batch.

    Args:
        function: takes the list of tensors and returns a scalar.
    """

    def __init__(self, function):
        self._function = function
        self._ways = [*backend.WAYS, "eager"]
        self._programs: dict[int | None, Any] = {}

    @property
    def way(self):
        """How rows are evaluated: "vectorized", "loop" or "eager"."""
        return self._ways[0]

    def use_next_way(self):
        """Gives up the present way; False where there is no other."""
        if len(self._ways) == 1:
            return False
        self._ways.pop(0)
        self._programs.clear()
        return True

    def __call__(self, moved, constants, rows):
        """The function's values.

        Args:
            moved: which tensor is moved; None for all of them, along directions.
            constants: the tensors; where `moved` is None, and their directions.
            rows: NumPy array, [rows, tensors] or [rows, *shape of the moved tensor].
        """
        while True:
            try:
                if moved not in self._programs:
                    function = self._along if moved is None else self._with_one_moved(moved)
                    self._programs[moved] = (
                        _one_by_one(function)
                        if self.way == "eager"
                        else backend.over_rows(function, self.way)
                    )
                return self._programs[moved](constants, rows)
            except PrivateNameError:
                raise  # no slower way helps
            except Exception:  # of whatever cannot be vectorised; the last way raises all others
                if not self.use_next_way():
                    raise

    def _along(self, constants, steps):
        half = len(constants) // 2
        values, directions = constants[:half], constants[half:]
        return self._function(
            [v + steps[k] * d for k, (v, d) in enumerate(zip(values, directions, strict=True))]
        )

    def _with_one_moved(self, j):
        def function(constants, move):
            return self._function([*constants[:j], constants[j] + move, *constants[j + 1 :]])

        return function


def _one_by_one(function):
    def run(constants, rows):
        losses = [function(constants, backend.constant(row)) for row in rows]
        return np.array([keras.ops.convert_to_numpy(loss) for loss in losses], "float64")

    return run
