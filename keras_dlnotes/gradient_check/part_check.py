"""The check of one part of the loss: directions first, coordinates where a direction fails."""

import re

import numpy as np

from keras_dlnotes.gradient_check.drill_down import (
    compare_coordinates,
    coordinates_found_by_halving,
    sample_of_coordinates,
)
from keras_dlnotes.gradient_check.line_losses import LineLosses
from keras_dlnotes.gradient_check.report import GradientRow
from keras_dlnotes.numerics.central_differences import Derivatives, step_sizes
from keras_dlnotes.numerics.gradient_verdict import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    relative_error,
    tolerance,
    verdicts,
)
from keras_dlnotes.numerics.likely_cause import likely_cause

# A derivative by relative changes of the weights that is smaller than this share of the loss is 0.
_NEGLIGIBLE = 1e-3
# Distance, relative to a target's size, of the neighbouring points where a kink is left behind.
_NUDGE = 1e-2
_NUDGES = 2
# Equal losses may differ by this share of their size.
_SAME = 1e-5


class PartCheck:
    """Checks the gradient of one scalar function with respect to all targets.

    Args:
        name: of the part of the loss.
        function: takes the list of the targets' tensors and returns a scalar.
        objective: the `Objective` that it is a part of.
        tensors: the targets' values on the device.
        directions: how many random directions are tried over each target.
        every_coordinate: compare all coordinates one by one.
        progress: called with numbers of evaluations.
    """

    def __init__(self, name, function, objective, tensors, directions, every_coordinate, progress):
        self.name = name
        self.targets = objective.targets
        self.losses = LineLosses(
            function, objective.targets, objective.dtype, objective.data_size, progress
        )
        self.notes: list[str] = []
        self._tensors = tensors
        self._direction_count = directions
        self._every_coordinate = every_coordinate
        self._neighbours: list = []

    def run(self):
        """The rows of the report, one a target."""
        losses = self.losses
        try:
            point = losses.point(self._tensors)
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
        spread = self._settle(point)
        if spread is not None:
            message = (
                f"the loss is not deterministic: it varies by {spread:.1e} between equal "
                "evaluations; draw random numbers with keras.random and a SeedGenerator"
            )
            return [self._bad_row(target, message) for target in self.targets]
        self._point = point._replace(loss=self._middle)
        losses.measure_noise(self._point)
        if losses.precision > 1e-10:
            self.notes.append(
                f"{self.name}: computed in float32 somewhere, and judged by its noise, "
                f"{losses.noise:.1e} in a loss of {self._middle:.3g}"
            )
        self._measure_directions()
        return [self._row(j) for j in range(len(self.targets))]

    def _settle(self, point):
        """Chooses how rows are evaluated; the spread of equal losses where that is not small."""
        losses = self.losses
        zeros = [np.zeros(t.value.shape) for t in self.targets]
        # What the loss is made of, which may be more than what is left of it. Rounding, also
        # float32's, is far below this; random numbers are far above.
        size = abs(point.loss) + sum(
            np.abs(g * t.value).sum()
            for g, t in zip(point.gradients, self.targets, strict=True)
            if g is not None
        )
        allowed = _SAME * size
        while True:
            rows = np.concatenate(
                [losses.losses(point, zeros, [0] * 3, [0] * 3, [0.0] * 3) for _ in range(2)]
            )
            self._middle = float(rows[0])
            again = losses.point(self._tensors).loss
            spread = np.ptp([*rows, point.loss, again])
            if spread <= allowed:
                return None
            # Not the same in the vectorised program: a fault of that, unless the loss is random.
            if abs(point.loss - again) > allowed or not losses.use_next_way():
                return spread

    def _measure_directions(self):
        """Fills `_lines`: per direction, the measures and verdicts of all targets."""
        losses, point = self.losses, self._point
        low, high = losses.offsets[:-1], losses.offsets[1:]
        h = step_sizes(losses.precision, 1)
        measured = []
        for k in range(self._direction_count):
            directions = losses.directions(k)
            analytic = losses.analytic(point, directions, low, high)
            # Two evaluations a target. Agreement needs no error estimate; disagreement does.
            steps = np.concatenate([np.tile(h, len(low)), np.tile(-h, len(low))])
            values = losses.losses(point, directions, np.tile(low, 2), np.tile(high, 2), steps)
            plus, minus = values.reshape(2, -1)
            quick = (plus - minus) / (2.0 * h)
            measured.append(
                (directions, analytic, quick, np.full(len(low), 8.0 * losses.noise / h))
            )
        largest = max((np.nanmax(np.abs([m[1], m[2]]), initial=0.0) for m in measured), default=0.0)
        self._scale = max(largest, _NEGLIGIBLE * abs(self._middle))
        self._lines = []
        for directions, analytic, quick, error in measured:
            kink = np.zeros(len(low))
            result = self._verdicts(analytic, Derivatives(quick, error, kink))
            swept = np.flatnonzero(result != PASSED)
            numeric = Derivatives(quick, error, kink)
            if swept.size:
                sweep = losses.derivatives(point, directions, low[swept], high[swept])
                for part, new in zip(numeric, sweep, strict=True):
                    part[swept] = new
                result = self._verdicts(analytic, numeric)
            self._lines.append((analytic, numeric, result))

    def _verdicts(self, analytic, numeric):
        return verdicts(
            analytic, numeric.value, numeric.error, numeric.kink, self.losses.precision, self._scale
        )

    def _row(self, j):
        if j in self._shape_faults:
            return self._bad_row(self.targets[j], self._shape_faults[j])
        found = [result[j] for _, _, result in self._lines]
        if all(verdict == PASSED for verdict in found) and not self._every_coordinate:
            return self._direction_row(j, PASSED, "")
        return self._drill_down(j, FAILED in found)

    def _direction_row(self, j, verdict, cause, **counts):
        """A row that shows the worst direction."""
        analytic, numeric, _ = max(self._lines, key=lambda line: abs(line[0][j] - line[1].value[j]))
        a, n, e = analytic[j], numeric.value[j], numeric.error[j]
        return self._make_row(j, verdict, a, n, e, None, cause, **counts)

    def _drill_down(self, j, direction_failed):
        losses, target, point = self.losses, self.targets[j], self._point
        if self._every_coordinate:
            indices = np.arange(target.value.size)
        else:
            indices = sample_of_coordinates(losses, point, j)
        numeric, analytic, result = self._compare(j, indices)
        if direction_failed and FAILED not in result and len(indices) < target.value.size:
            found = coordinates_found_by_halving(losses, point, j)
            indices = np.union1d(indices, found)
            numeric, analytic, result = self._compare(j, indices)
        allowed = tolerance(analytic, numeric.value, numeric.error, losses.precision)
        counts = {
            "inconclusive_count": int((result == INCONCLUSIVE).sum()),
            "compared_count": len(indices),
        }
        kinks = ""
        if counts["inconclusive_count"]:
            kinks = "{inconclusive_count} of {compared_count} coordinates are at a kink".format(
                **counts
            )
        failed = result == FAILED
        if failed.any():
            difference = np.where(failed, np.abs(analytic - numeric.value), -1.0)
            worst = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
            clear = result != INCONCLUSIVE
            cause = likely_cause(
                analytic[clear],
                numeric.value[clear],
                allowed[clear],
                indices[clear],
                target.value.shape,
            )
            index = tuple(map(int, np.unravel_index(indices[worst], target.value.shape)))
            return self._make_row(
                j,
                FAILED,
                analytic[worst],
                numeric.value[worst],
                numeric.error[worst],
                index,
                "; ".join(filter(None, [cause, kinks])),
                **counts,
            )
        if direction_failed:
            cause = "wrong along a direction, though no single coordinate was found that is"
            return self._direction_row(j, FAILED, "; ".join(filter(None, [cause, kinks])), **counts)
        return self._neighbouring_row(j, kinks, counts)

    def _compare(self, j, indices):
        numeric, analytic = compare_coordinates(self.losses, self._point, j, indices)
        result = verdicts(
            analytic,
            numeric.value,
            numeric.error,
            numeric.kink,
            self.losses.precision,
            self._scale / self.losses.scales[j],
        )
        return numeric, analytic, result

    def _neighbouring_row(self, j, kinks, counts):
        """A kink hides the gradient at the point itself: is it right at points nearby?"""
        found = [line[2][j] for line in self._lines]
        if all(verdict == PASSED for verdict in found) and not kinks:
            return self._direction_row(j, PASSED, "", **counts)
        verdict_nearby, line = self._nearby(j)
        if verdict_nearby == FAILED:
            analytic, numeric = line
            cause = "; ".join(filter(None, [kinks, "wrong at a point nearby, off the kink"]))
            return self._make_row(
                j, FAILED, analytic[j], numeric.value[j], numeric.error[j], None, cause, **counts
            )
        compared, inconclusive = counts["compared_count"], counts["inconclusive_count"]
        if verdict_nearby == PASSED:
            cause = "; ".join(filter(None, [kinks, "right at points nearby, off the kinks"]))
            verdict = PASSED if 2 * inconclusive <= compared else INCONCLUSIVE
            return self._direction_row(j, verdict, cause, **counts)
        cause = kinks or "the loss is too noisy to tell"
        return self._direction_row(j, INCONCLUSIVE, cause, **counts)

    def _nearby(self, j):
        losses = self.losses
        low, high = losses.offsets[:-1], losses.offsets[1:]
        if not self._neighbours:
            for k in range(_NUDGES):
                moves = losses.directions(2000 + k)
                point = losses.point(
                    [
                        t + losses.on_device(_NUDGE * m)
                        for t, m in zip(self._tensors, moves, strict=True)
                    ]
                )
                zeros = [np.zeros(t.value.shape) for t in self.targets]
                middle = losses.losses(point, zeros, [0], [0], [0.0])[0]
                point = point._replace(loss=float(middle))
                directions = losses.directions(3000 + k)
                numeric = losses.derivatives(point, directions, low, high)
                analytic = losses.analytic(point, directions, low, high)
                self._neighbours.append((analytic, numeric, self._verdicts(analytic, numeric)))
        for analytic, numeric, result in self._neighbours:
            if result[j] == FAILED:
                return FAILED, (analytic, numeric)
        if any(result[j] == PASSED for _, _, result in self._neighbours):
            return PASSED, None
        return INCONCLUSIVE, None

    def _make_row(self, j, verdict, a, n, e, index, cause, **counts):
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
            tolerance=float(tolerance(a, n, e, self.losses.precision)),
            cause=cause,
            **counts,
        )

    def _bad_row(self, target, cause):
        nan = float("nan")
        return GradientRow(
            self.name, target.path, target.value.shape, FAILED, nan, None, nan, nan, nan, cause
        )


def one_line(error):
    """An exception in one line; Keras wraps a layer's own message and sets it in bold."""
    text = str(error)
    place = re.search(r"Exception encountered when calling (\S+)\.call\(\)", text)
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    lines = (bold[1] if bold else text).strip().splitlines()
    where = f" in {place[1]}" if place else ""
    return f"{type(error).__name__}{where}: {lines[0][:200] if lines else ''}"
