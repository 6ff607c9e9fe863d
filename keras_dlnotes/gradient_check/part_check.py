"""The check of one part of the loss: directions first, coordinates where a direction fails."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from keras_dlnotes.backend.private_names import PrivateNameError
from keras_dlnotes.gradient_check.drill_down import (
    compare_coordinates,
    coordinates_found_by_halving,
    sample_of_coordinates,
)
from keras_dlnotes.gradient_check.line_losses import LineLosses, NotDeterministicError
from keras_dlnotes.gradient_check.line_verdicts import LineVerdicts, Neighbourhood
from keras_dlnotes.gradient_check.report import GradientRow, one_line
from keras_dlnotes.numerics.gradient_verdict import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    differs_from_zero,
    relative_error,
    tolerance,
)
from keras_dlnotes.numerics.likely_cause import likely_cause

_ALL_ZERO = "not tested: no derivative differs from 0, here or nearby"
_CANCELS = (
    "0 but for rounding: what it adds cancels out, as a bias does before a normalization, and so "
    "would a constant factor of its gradient"
)
_SOME_ZERO = (
    "the loss does not depend on some variables here (inactive units, say): their gradients are 0, "
    "right or wrong, and were not tested; try other examples or weights"
)
_ONLY_STEPS = (
    "the loss changes in steps alone (rounding, a comparison, an index), so there is no gradient "
    "to check or to train on"
)
_FLAT = (
    "the loss is the same at points nearby, so nothing was tested: outputs are saturated or "
    "clipped (logits far from 0, a softmax of one unit), units inactive, or numbers rounded. Check "
    "before training, or on other weights or examples"
)
# One-sided slopes that differ by less than this share of the slope nearby differ by rounding.
_KINK = 1e-3
# A direction that agrees to this share of the tolerance needs no other to confirm it. A fault x
# times as large as the tolerance lies across it by chance once in 40 x times; it would hide from
# two directions that agree only just once in x^2 times.
_CLOSE = 0.03


class PartCheck:
    """Checks the gradient of one scalar function with respect to all targets.

    Args:
        name: of the part of the loss.
        function: takes the list of the targets' tensors and returns a scalar.
        form: the `FunctionalForm` that it is a part of.
        tensors: the targets' values on the device.
        directions: how many random directions over each target; None for as many as needed.
        every_coordinate: compare all coordinates one by one.
        progress: called with numbers of evaluations.
    """

    def __init__(self, name, function, form, tensors, directions, every_coordinate, progress):
        self.name = name
        self.targets = form.targets
        self.losses = LineLosses(
            function,
            form.targets,
            form.dtype,
            form.data_size,
            form.seed,
            progress,
        )
        self._verdicts = LineVerdicts(self.losses)
        self.notes: list[str] = []
        self.noise = 0.0
        self._tensors = tensors
        self._direction_count = directions
        self._every_coordinate = every_coordinate

    def run(self):
        """The rows of the report, one a target."""
        losses = self.losses
        try:
            point = losses.point(self._tensors)
        except PrivateNameError:
            raise  # that says nothing of the gradient
        except Exception as error:
            message = f"the gradient cannot be computed: {one_line(error)}"
            return [self._bad_row(target, message) for target in self.targets]
        self._shape_faults = {
            j: f"the gradient has the shape {g.shape}, expected {t.value.shape}"
            for j, (t, g) in enumerate(zip(self.targets, point.gradients, strict=True))
            if g is not None and g.shape != t.value.shape
        }
        point = point._replace(
            gradients=[
                None if j in self._shape_faults else g for j, g in enumerate(point.gradients)
            ]
        )
        if not np.isfinite(point.loss):
            message = f"the loss itself is {point.loss}: check the data and the weights first"
            return [self._bad_row(target, message) for target in self.targets]
        self._point = point
        try:
            return self._rows()
        except NotDeterministicError as error:
            message = (
                f"the loss is not deterministic: it varies by {error.args[0]:.1e} between equal "
                "evaluations; draw random numbers with keras.random and a SeedGenerator"
            )
            return [self._bad_row(target, message) for target in self.targets]

    def _rows(self):
        verdicts, point = self._verdicts, self._point
        self._point = point._replace(noise=verdicts.least_noise(point))
        self._measure_directions(sweep=False)
        if any((result != PASSED).any() for *_, result in self._lines):
            self._point = point._replace(noise=verdicts.measured_noise(point))
            self._measure_directions()
        self.noise = self._point.noise
        if verdicts.precision > 1e-10:
            self.notes.append(
                f"{self.name}: computed in float32 somewhere, and judged by its noise, "
                f"{self.noise:.1e} in a loss of {point.loss:.3g}"
            )
        rows = [self._row(j) for j in range(len(self.targets))]
        tested = [row for row in rows if row.tested]
        flat = not tested and self._neighbourhood.is_flat(point.loss, self.noise)
        if self.name == "penalty" and (tested or flat):
            return tested  # most penalties depend on a few of the variables, some on none
        if not tested:
            self.notes.append(f"{self.name}: {_FLAT if flat else _ONLY_STEPS}")
            return [_untested(row) for row in rows]
        if any(row.verdict == INCONCLUSIVE and not row.tested for row in rows):
            self.notes.append(_SOME_ZERO)
        return rows

    def _measure_directions(self, sweep=True):
        """Fills `_lines`: for each direction the measures and verdicts of all targets."""
        verdicts, losses, point = self._verdicts, self.losses, self._point
        low, high = losses.offsets[:-1], losses.offsets[1:]
        self._lines = []
        for k in range(self._direction_count or 2):
            line = verdicts.judge(point, losses.directions(k), low, high, sweep=sweep)
            self._lines.append(line)
            if self._direction_count is None and self._agree_closely(line):
                break
        self._balanced = verdicts.balanced_directions(point)
        if self._balanced is not None:
            self._lines.append(verdicts.judge_balanced(point, self._balanced, low, high, sweep))
        self._scale = verdicts.scale_of(
            point, *(d for a, n, _ in self._lines for d in (a, n.value))
        )
        self._neighbourhood = Neighbourhood(verdicts, self._scale)

    def _agree_closely(self, line):
        analytic, numeric, result = line
        allowed = tolerance(analytic, numeric.value, numeric.error, self._verdicts.precision)
        close = np.abs(analytic - numeric.value) <= _CLOSE * allowed
        return bool((close & (result == PASSED)).all())

    def _row(self, j):
        if j in self._shape_faults:
            return self._bad_row(self.targets[j], self._shape_faults[j])
        found = [result[j] for _, _, result in self._lines]
        if all(verdict == PASSED for verdict in found) and not self._every_coordinate:
            row = self._direction_row(j, PASSED, "")
        else:
            row = self._drill_down(j, found)
        zero = not any(
            differs_from_zero(analytic[j], numeric.value[j], numeric.error[j])
            for analytic, numeric, _ in self._lines
        )
        return self._zero_row(j, row) if zero and row.verdict == PASSED else row

    def _zero_row(self, j, row):
        """The row of a target whose derivatives are all 0, which tells nothing of its rule."""
        nearby, measure = self._neighbourhood.verdict(j)
        if nearby == FAILED:
            cause = "0 at the point itself, as it should be, and wrong at a point nearby"
            return self._make_row(j, FAILED, measure, None, cause)
        if nearby == INCONCLUSIVE or not self._neighbourhood.differs_from_zero(j):
            gradient = self._point.gradients[j]
            if gradient is not None and np.any(gradient):
                return dataclasses.replace(row, cause=_CANCELS, tested=False)
            return _untested(row)
        kink = self._verdicts.kink_of(self._point, self.losses.directions(0), j)
        bent = kink > _KINK * self._neighbourhood.largest(j)
        where = "all derivatives are 0 here, at a kink" if bent else "all derivatives are 0 here"
        return dataclasses.replace(row, cause=f"{where}; right at points nearby")

    def _direction_row(self, j, verdict, cause, **counts):
        """A row that shows the worst direction."""
        analytic, numeric, _ = max(self._lines, key=lambda line: abs(line[0][j] - line[1].value[j]))
        measure = analytic[j], numeric.value[j], numeric.error[j]
        return self._make_row(j, verdict, measure, None, cause, **counts)

    def _drill_down(self, j, found):
        """The row of a target on which the directions' verdicts `found` were not enough."""
        indices, analytic, numeric, result = self._compare(j, found)
        failed = result == FAILED
        at_kink = int((result == INCONCLUSIVE).sum())
        counts = {"inconclusive_count": at_kink, "compared_count": len(indices)}
        kinks = f"{at_kink} of {len(indices)} coordinates are at a kink" if at_kink else ""

        def row(verdict, cause, measure=None):
            cause = "; ".join(filter(None, [cause, kinks]))
            if measure is None:
                return self._direction_row(j, verdict, cause, **counts)
            return self._make_row(j, verdict, measure, None, cause, **counts)

        def failed_row():
            if not failed.any():
                return row(FAILED, "wrong along a direction, at no coordinate that was tried")
            cause = self._cause(j, indices, numeric, analytic, result != INCONCLUSIVE)
            difference = np.where(failed, np.abs(analytic - numeric.value), -1.0)
            worst = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
            measure = analytic[worst], numeric.value[worst], numeric.error[worst]
            index = tuple(map(int, np.unravel_index(indices[worst], self.targets[j].value.shape)))
            cause = "; ".join(filter(None, [cause, kinks]))
            return self._make_row(j, FAILED, measure, index, cause, **counts)

        any_failed = failed.any() or FAILED in found
        bent = kinks or any(numeric.kink[j] > 0.0 for _, numeric, _ in self._lines)
        clearly = failed & ((numeric.kink == 0.0) | ~np.isfinite(analytic))
        if any_failed and (clearly.any() or not bent):
            return failed_row()
        if not kinks and not any_failed and INCONCLUSIVE not in found:
            return row(PASSED, "")
        # A kink hides the gradient at the point itself. Is it right at points nearby?
        nearby, measure = self._neighbourhood.verdict(j)
        if nearby == FAILED:
            if failed.any():
                return failed_row()
            return row(FAILED, "wrong at a point nearby, off the kink", measure)
        if nearby == INCONCLUSIVE:
            return row(INCONCLUSIVE, "" if bent else "the loss is too noisy to tell")
        many = 2 * at_kink > len(indices)
        verdict = INCONCLUSIVE if any_failed or many else PASSED
        return row(verdict, "right at points nearby, off the kinks" if bent else "")

    def _compare(self, j, found):
        """Coordinates of target j, their analytic and numeric derivatives, and verdicts."""
        losses, point, size = self.losses, self._point, int(self.losses.sizes[j])
        # A fault that the balanced line alone shows is too small to be seen beside the others.
        hidden = self._balanced is not None and found[-1] == FAILED and FAILED not in found[:-1]
        verdicts = self._verdicts
        judge: Callable = functools.partial(verdicts.judge, scale=self._scale)
        if hidden:
            judge = verdicts.judge_balanced
        directions = self._balanced if hidden else losses.directions(0)

        def compared(indices):
            return indices, *compare_coordinates(judge, losses, point, j, indices)

        if self._every_coordinate:
            return compared(np.arange(size))
        sample = compared(sample_of_coordinates(losses, point, j))
        if FAILED not in found or FAILED in sample[-1] or len(sample[0]) == size:
            return sample
        halved = coordinates_found_by_halving(judge, directions, losses, point, j)
        return compared(np.union1d(sample[0], halved))

    def _cause(self, j, indices, numeric, analytic, clear):
        allowed = tolerance(analytic, numeric.value, numeric.error, self._verdicts.precision)
        return likely_cause(
            analytic[clear],
            numeric.value[clear],
            allowed[clear],
            indices[clear],
            self.targets[j].value.shape,
        )

    def _make_row(self, j, verdict, measure, index, cause, **counts):
        a, n, e = measure
        target = self.targets[j]
        return GradientRow(
            part=self.name,
            path=target.path,
            shape=target.value.shape,
            verdict=str(verdict),
            relative_error=float(relative_error(a, n)),
            worst_index=index,
            analytic=float(a),
            numeric=float(n),
            tolerance=float(tolerance(a, n, e, self._verdicts.precision)),
            cause=cause,
            **counts,
        )

    def _bad_row(self, target, cause):
        nan = float("nan")
        return GradientRow(
            self.name, target.path, target.value.shape, FAILED, nan, None, nan, nan, nan, cause
        )


def _untested(row):
    return dataclasses.replace(row, verdict=INCONCLUSIVE, cause=_ALL_ZERO, tested=False)
