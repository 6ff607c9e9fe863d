"""Verdicts on a gradient, by differences of the loss along lines, here and at points nearby."""

import numpy as np

from keras_dlnotes.gradient_check.line_losses import Point
from keras_dlnotes.gradient_check.precision import PRECISIONS
from keras_dlnotes.numerics.central_differences import (
    NOISE_POINTS,
    Derivatives,
    derivatives,
    noise_level,
    rounding,
    step_sizes,
)
from keras_dlnotes.numerics.gradient_verdict import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    differs_from_zero,
    verdicts,
)

# Between float64's and float32's: whoever has more noise than this computed in float32.
_NOISE_OF_FLOAT64 = 1e-11
# A derivative by relative changes of the weights that is smaller than this share of the loss is 0.
_NEGLIGIBLE = 1e-3
# Where a hundredth of the derivatives is smaller than this share of the largest, faults in them
# are near what the rounding of the sum allows.
_HIDDEN = 1e-4
_BALANCED = 4000  # number of a set of directions that nothing else uses
# Distance of the points, relative to a target's size, and how many there are.
_DISTANCE_NEARBY = 1e-2
_POINTS_NEARBY = 2


class LineVerdicts:
    """Compares a gradient with differences of the loss, as far as its noise allows.

    Args:
        losses: the `LineLosses` of the function.
    """

    def __init__(self, losses):
        self.losses = losses
        self.precision = PRECISIONS[losses.dtype]

    def least_noise(self, point):
        """The least noise there can be; enough if all lines agree at once."""
        return self.precision * abs(point.loss) + np.finfo(self.losses.dtype).tiny

    def measured_noise(self, point):
        """How noisy the loss is; decides thereby whether it really is float64's."""
        # At a point nearby: a kink at the point itself would look like noise. Not far away, where
        # other units are saturated.
        nearby = self.losses.nudged(1e-4, number=999)
        noise = self.noise_at(nearby)
        if self.losses.dtype == "float64" and noise > _NOISE_OF_FLOAT64 * max(
            abs(point.loss), 1e-3
        ):
            self.precision = PRECISIONS["float32"]
            noise = self.noise_at(nearby)
        return noise

    def noise_at(self, tensors):
        """How noisy the loss is at values of the targets that are not at a kink."""
        point = Point(tensors, loss=None, gradients=[])
        levels = []
        count, end = len(NOISE_POINTS), self.losses.offsets[-1]
        for exponent in (0.63, 0.45):  # distances of 1e-10 and 1e-7 in float64
            distances = NOISE_POINTS * self.precision**exponent
            ranges = np.zeros(count, int), np.full(count, end)
            lines = [
                self.losses.along(point, self.losses.directions(1000 + i), *ranges, distances)
                for i in range(3)
            ]
            # A kink that lies on one of the lines is no noise.
            levels.append(min(noise_level(losses) for _, losses in lines))
            size = max(abs(middle) for middle, _ in lines)
        return max(*levels, self.precision * size, np.finfo(self.losses.dtype).tiny)

    def balanced_directions(self, point):
        """Directions along which small derivatives count as much as large ones; None if all do.

        Along a random one a coordinate of 1e-3 beside one of 1e6 is less than rounding. Along these
        a coordinate moves the less the larger its derivative is.

        Args:
            point: a `Point` with its noise.
        """
        noise = 30.0 * rounding(point.noise, step_sizes(self.precision)[0])
        sizes = [
            np.abs(scale * (0.0 if gradient is None else gradient))
            for scale, gradient in zip(self.losses.scales, point.gradients, strict=True)
        ]
        if not any(_spread_out(size, noise) for size in sizes):
            return None
        directions = self.losses.directions(_BALANCED)
        for direction, size in zip(directions, sizes, strict=True):
            if _spread_out(size, noise):
                small = np.quantile(size[size > noise], 0.01, method="lower")
                direction *= small / np.maximum(size, small)
        return directions

    def judge_balanced(self, point, directions, low, high, sweep=True):
        """`judge` along balanced directions or their parts, where only a failure is news.

        Each line is measured by its own size. What random directions passed is not in doubt because
        such a line cannot tell; before the sweep it may still be told.
        """
        *measures, result = self.judge(point, directions, low, high, scale=0.0, sweep=sweep)
        if sweep:
            result = np.where(result == FAILED, FAILED, PASSED)
        return (*measures, result)

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
        _, losses = self.losses.along(point, directions, np.tile(low, 2), np.tile(high, 2), steps)
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

    def kink_of(self, point, directions, j):
        """Distance of the two one-sided slopes along target j's direction; 0 where it is smooth."""
        low, high = self.losses.offsets[j : j + 1], self.losses.offsets[j + 1 : j + 2]
        return float(self._sweep(point, directions, low, high).kink[0])

    def scale_of(self, point, *derivatives):
        """The largest of some derivatives, or a share of the loss below which they are zero."""
        largest = max(np.nanmax(np.abs(d), initial=0.0) for d in derivatives)
        return max(largest, _NEGLIGIBLE * abs(point.loss))

    def _sweep(self, point, directions, low, high):
        steps = step_sizes(self.precision)
        both = np.concatenate([steps, -steps])
        ranges = np.repeat(low, len(both)), np.repeat(high, len(both))
        middle, losses = self.losses.along(point, directions, *ranges, np.tile(both, len(low)))
        losses = losses.reshape(len(low), 2, len(steps))
        return derivatives(steps, losses[:, 0], losses[:, 1], middle, point.noise)

    def _analytic(self, point, directions, low, high):
        """The gradient's own derivatives along the same lines."""
        gradient = np.concatenate(
            [
                np.zeros(t.value.size) if g is None else np.asarray(g, "float64").reshape(-1)
                for g, t in zip(point.gradients, self.losses.targets, strict=True)
            ]
        )
        direction = np.concatenate([d.reshape(-1) for d in directions])
        products = gradient * direction
        return np.array([products[i:j].sum() for i, j in zip(low, high, strict=True)])


class Neighbourhood:
    """Verdicts on random directions over each target at random points nearby.

    Args:
        verdicts: the `LineVerdicts` of the check.
        scale: size of the whole gradient's derivatives; see `verdicts`.
    """

    def __init__(self, verdicts, scale):
        self._verdicts = verdicts
        self._scale = scale
        self._found: list = []
        self._losses: list = []

    def verdict(self, j):
        """The verdict on target j and, where it failed, the analytic, numeric and error there."""
        found = [result[j] for *_, result in self._measures()]
        if FAILED in found:
            analytic, numeric, _ = self._measures()[found.index(FAILED)]
            return FAILED, (analytic[j], numeric.value[j], numeric.error[j])
        return (PASSED if PASSED in found else INCONCLUSIVE), None

    def differs_from_zero(self, j):
        """Whether a derivative by target j does at any of the points."""
        return any(
            differs_from_zero(analytic[j], numeric.value[j], numeric.error[j])
            for analytic, numeric, _ in self._measures()
        )

    def largest(self, j):
        """The largest derivative by target j at the points."""
        return max(abs(numeric.value[j]) for _, numeric, _ in self._measures())

    def is_flat(self, loss, noise):
        """Whether the loss at the points is the given one, but for noise."""
        self._measures()
        return max(abs(nearby - loss) for nearby in self._losses) <= 8.0 * noise

    def _measures(self):
        """Analytic and numeric derivatives and verdicts at each point."""
        if not self._found:
            self._found = [self._measure(k) for k in range(_POINTS_NEARBY)]
        return self._found

    def _measure(self, k):
        verdicts, losses = self._verdicts, self._verdicts.losses
        low, high = losses.offsets[:-1], losses.offsets[1:]
        point = losses.point(losses.nudged(_DISTANCE_NEARBY, number=2000 + k))
        self._losses.append(point.loss)
        # Noise may be another there: 1 - p has more of it the nearer p is to 1.
        point = point._replace(noise=verdicts.noise_at(point.tensors))
        directions = losses.directions(3000 + k)
        analytic, numeric, result = verdicts.judge(point, directions, low, high, self._scale)
        # A gradient cannot be judged where there is no number to judge it by.
        return analytic, numeric, np.where(np.isfinite(numeric.error), result, INCONCLUSIVE)


def _spread_out(size, noise):
    """Whether a hundredth of the derivatives that can be told is small beside the largest."""
    told = size > noise
    small = told & (size < _HIDDEN * size.max(initial=0.0))
    return np.count_nonzero(small) > 0.01 * np.count_nonzero(told)
