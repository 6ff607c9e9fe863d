"""Weights between bounds: low <= w <= high, each of shape [n], infinite where there is no bound."""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import quasi_newton_step

xp = active.arrays


class BoxBounds(NamedTuple):
    """The bounds, [n] each."""

    low: Any
    high: Any


def project(box, point):
    """The nearest point between the bounds."""
    return xp.minimum(xp.maximum(point, box.low), box.high)


def descent(box, point, gradient):
    """-g without the components that would leave the box at once: 0 where nothing is to gain."""
    outward = ((gradient > 0.0) & (point <= box.low)) | ((gradient < 0.0) & (point >= box.high))
    return xp.where(outward, gradient * 0.0, -gradient)


def ahead(box, direction):
    """The bound that each component moves towards, [n]."""
    return xp.where(direction > 0.0, box.high, box.low)


def step_to_bounds(box, point, direction):
    """For each component the step along the direction at which it meets its bound, [n]."""
    moves = direction != 0.0
    rate = xp.where(moves, direction, direction * 0.0 + 1.0)
    return xp.where(moves, (ahead(box, direction) - point) / rate, point * 0.0 + float("inf"))


def feasible_step(box, point, direction, most):
    """The largest step along a direction that stays in the box, at most `most`."""
    steps = step_to_bounds(box, point, direction)
    return xp.least(xp.minimum(steps, point * 0.0 + most))


def longest_step(box, point, direction, most):
    """The largest step along a direction that stays in the box, between 1 and `most`.

    The point one direction away is in the box, but for rounding.
    """
    longest = feasible_step(box, point, direction, most)
    return xp.maximum(longest, longest * 0.0 + 1.0)


def point_along(box, point, step, direction, epsilon):
    """The point a step along the direction; on a bound where only rounding keeps it from there."""
    trial = point + step * direction
    bound = ahead(box, direction)
    rounding = 4.0 * epsilon * (xp.absolute(point) + xp.absolute(bound))
    meets = (direction != 0.0) & xp.is_finite(bound) & (xp.absolute(trial - bound) <= rounding)
    return project(box, xp.where(meets, bound, trial))


def steepest(box, point, gradient, loss, scale=None):
    """A direction of projected steepest descent no longer than a first step, and the slope.

    With a scale [n], that in the coordinates w / scale.
    """
    down = descent(box, point, gradient)
    whole, _ = quasi_newton_step.steepest(point, -down, loss, scale)
    direction = project(box, point + whole) - point
    return direction, xp.dot(gradient, direction)
