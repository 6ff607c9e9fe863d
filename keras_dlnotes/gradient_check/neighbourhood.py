"""The gradient at points near the one that is checked, where no kink hides it."""

import numpy as np

from keras_dlnotes.numerics.gradient_verdict import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    differs_from_zero,
)

# Distance of the points, relative to a target's size, and how many there are.
_DISTANCE = 1e-2
_POINTS = 2


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
            self._found = [self._measure(k) for k in range(_POINTS)]
        return self._found

    def _measure(self, k):
        verdicts, losses = self._verdicts, self._verdicts.losses
        low, high = losses.offsets[:-1], losses.offsets[1:]
        point = losses.point(losses.nudged(_DISTANCE, number=2000 + k))
        self._losses.append(point.loss)
        # Noise may be another there: 1 - p has more of it the nearer p is to 1.
        point = point._replace(noise=verdicts.noise_at(point.tensors))
        directions = losses.directions(3000 + k)
        analytic, numeric, result = verdicts.judge(point, directions, low, high, self._scale)
        # A gradient cannot be judged where there is no number to judge it by.
        return analytic, numeric, np.where(np.isfinite(numeric.error), result, INCONCLUSIVE)
