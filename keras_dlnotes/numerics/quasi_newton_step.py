"""One evaluation of a quasi-Newton method with a line search: from the vectors to the vectors."""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import line_search_machine, loss_scale, phases
from keras_dlnotes.numerics.line_search_machine import Observation
from keras_dlnotes.numerics.phases import LineSearchPhase, Phase, Points

xp = active.arrays


class CurvaturePair(NamedTuple):
    """What an accepted step changed."""

    step_change: Any  # s = w_new - w, [n]
    gradient_change: Any  # y = g_new - g, [n]
    step_size: Any  # alpha in s = alpha p, a scalar
    by_method: Any  # whether p is the method's own direction


def take(method, control, points, old_direction, weights, gradient, loss, settings):
    """The state after one evaluation, and the trial point of the next.

    Args:
        method: Has `descend`, `steepest`, `first_step`, `longest_step`, `gradient_size` and
            `point_along`, as the optimizers' base class `QuasiNewton` describes them.
        control: A `LineSearchControl`.
        points: `Points`.
        old_direction: The direction p of the search that is under way, [n].
        weights: w, where the evaluation was taken, [n].
        gradient: dL/dw there, [n].
        loss: L there, a scalar, or None where it cannot be had.
        settings: `line_search_machine.Settings`.

    Returns:
        Control, points and direction.
    """
    gradient = gradient / control.unit
    step_change = weights - points.accepted_point
    gradient_change = gradient - points.accepted_gradient
    seen = Observation(
        loss=control.loss * 0.0 if loss is None else loss / control.unit,
        loss_known=loss is not None,
        slope=xp.dot(gradient, old_direction),
        gradient_norm=method.gradient_size(weights, gradient),
        repeats_gradient=xp.largest_magnitude(gradient_change)
        <= settings.epsilon**0.5 * control.gradient_norm,
        at_trial=xp.all_equal(weights, points.trial_point),
        at_accepted=xp.all_equal(weights, points.accepted_point),
        size=xp.square_root(xp.dot(weights, weights)),
    )
    transition = line_search_machine.advance(control, seen, settings)
    decision = transition.decision
    # The relative curvature test s^T y > epsilon |s| |y|: a pair without it would make H
    # indefinite or no better than rounding. The strong Wolfe conditions imply s^T y > 0.
    bend = xp.dot(step_change, gradient_change)
    lengths = xp.square_root(
        xp.dot(step_change, step_change) * xp.dot(gradient_change, gradient_change)
    )
    kept = decision.accept & xp.logical_not(decision.afresh)
    keep_pair = kept & (bend > settings.epsilon * lengths) & xp.is_finite(lengths)
    stored = xp.where(keep_pair, decision.stored + 1.0, decision.stored)
    point = xp.where(decision.take | decision.hopeless, weights, points.accepted_point)
    accepted_gradient = xp.where(
        decision.take, gradient * decision.unit_factor, points.accepted_gradient
    )
    proposal = method.descend(
        point,
        accepted_gradient,
        CurvaturePair(step_change, gradient_change, decision.step_size, control.confirming < 0.5),
        keep_pair,
        stored,
        decision.begin & (stored > 0.0),
    )
    direction, slope, stored = _new_direction(
        lambda: method.steepest(point, accepted_gradient, decision.loss),
        accepted_gradient,
        proposal,
        old_direction,
        stored,
        decision.begin,
    )
    leverage = method.gradient_size(point, accepted_gradient, point)
    nothing = transition.promises_nothing(
        slope, xp.square_root(xp.dot(direction, direction)), stored
    )
    doubtful = nothing & transition.is_doubtful(slope, leverage)
    stored = xp.where(doubtful & transition.is_stale(), stored * 0.0, stored)
    direction, slope = xp.conditional(
        doubtful,
        lambda: method.steepest(point, accepted_gradient, decision.loss, xp.absolute(point)),
        lambda: (direction, slope),
    )
    guess = method.first_step(slope, decision.loss_change)
    first = xp.where(
        decision.accept & (stored > 0.0) & xp.logical_not(doubtful), guess, stored * 0.0 + 1.0
    )
    longest = method.longest_step(point, direction, settings.longest_step)
    converged = nothing & xp.logical_not(doubtful)
    control = transition.control(slope, first, stored, longest, converged, doubtful)
    staying = phases.is_phase(control, Phase.REPEAT, LineSearchPhase.VERIFY)
    moving = (control.step != 0.0) & xp.logical_not(staying)
    trial_point = xp.where(moving, method.point_along(point, control.step, direction), point)
    return control, Points(point, accepted_gradient, trial_point), direction


def _new_direction(steepest, gradient, proposal, old, stored, begins):
    def begin():
        slope = xp.dot(gradient, proposal)
        fails = xp.logical_not((stored > 0.0) & (slope < 0.0) & xp.is_finite(slope))
        return xp.conditional(
            fails,
            lambda: (*steepest(), stored * 0.0),
            lambda: (xp.cast(proposal, old.dtype), slope, stored),
        )

    return xp.conditional(begins, begin, lambda: (old, stored * 0.0, stored))


def steepest(point, gradient, loss, scale=None):
    """The direction of steepest descent, as long as a first step, and the slope along it.

    With a scale [n], those in the coordinates w / scale.
    """
    if scale is not None:
        known = scale > 0.0
        divisor = xp.where(known, scale, scale * 0.0 + 1.0)
        inner = xp.where(known, point / divisor, point * 0.0)
        direction, slope = steepest(inner, scale * gradient, loss)
        return scale * direction, slope
    # Scaled before it is squared, for gradients whose square would overflow.
    scaled = gradient / xp.largest_magnitude(gradient)
    unit = -scaled / xp.square_root(xp.dot(scaled, scaled))
    slope = xp.dot(gradient, unit)
    length = loss_scale.first_length(loss, slope, point)
    return length * unit, length * slope
