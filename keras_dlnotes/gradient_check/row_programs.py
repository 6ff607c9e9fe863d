"""A function of the targets at many values of them at once, in the fastest way that works."""

from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import active

backend = active.scalar_functions


class RowPrograms:
    """Evaluates a function of a list of tensors, each row of numbers moving them differently.

    There are two kinds of programs, compiled when they are first needed. One moves each tensor as a
    whole along a direction; its rows hold a step for each tensor. The others move one tensor each;
    their rows hold what is added to it. All that comes before that tensor is then the same in all
    rows and computed once, and what comes after it has weights that do not move: to it the rows are
    only more examples.

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
            except Exception:
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
