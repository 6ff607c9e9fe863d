"""The course of a trust-region method: what an evaluation means, and what comes next.

One evaluation of loss, gradient and second derivatives comes in, at the accepted point or at a
trial point. `judge` says what it means; the method makes a `Proposal` of it, from which `conclude`
takes the next phase and the next trial point. Nothing branches on a value.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import loss_scale, phases, trust_region
from keras_dlnotes.numerics.phases import Phase

xp = active.arrays


class TrustRegionControl(NamedTuple):
    """Everything a trust-region method remembers that is not a vector; scalars of one dtype.

    Losses, gradients and second derivatives are multiples of `unit`.
    """

    phase: Any
    suspended: Any  # the phase to go back to from RESUME and REPEAT
    loss: Any  # at the accepted point
    gradient_norm: Any  # largest magnitude at the accepted point
    step_size: Any  # length of the last accepted step
    evaluations: Any
    iterations: Any
    restarts: Any
    radius: Any
    promise: Any  # the model's reduction for the trial step
    step_length: Any  # of the trial step
    products: Any  # Hessian-vector products for this step
    unit: Any  # as in `LineSearchControl`
    level: Any  # how many evaluations in turn were `loss_scale.is_level`
    gradient_ratio: Any  # of the gradients' lengths after and before the last step, 0 without one
    fall: Any  # as in `LineSearchControl`, as are the three that follow
    whole_fall: Any
    extent: Any
    verified: Any
    rejections: Any  # rejected steps in turn


class TrustRegionVerdict(NamedTuple):
    """What an evaluation means; booleans but for `purpose`, `level` and `radius`."""

    purpose: Any  # the phase that the evaluation belongs to, whatever has come between
    start: Any
    take: Any  # the weights seen become the accepted point
    again: Any  # at the accepted point, and the loss repeats itself
    rejected: Any
    noisy: Any
    hopeless: Any  # loss or derivatives at the starting weights are not finite
    unknown: Any  # they are not, where they have been finite before
    exhausted: Any  # the model's minimum was tried, and is no better than the loss's rounding
    coarse: Any  # the loss did not change where it should have
    level: Any
    radius: Any


class Proposal(NamedTuple):
    """What a method makes of a judged evaluation."""

    change: Any  # the trial step p, [n]; tried in the phase SEARCH
    length: Any  # |p|
    promise: Any  # the model's reduction for p
    radius: Any
    products: Any  # as in `TrustRegionControl`
    transitions: Any  # pairs of a condition and the phase that follows, of the method itself
    lost: Any  # boolean: no shorter step is left
    flat: Any  # boolean: the gradient at the accepted point counts as 0


WIDTH = len(TrustRegionControl._fields)


pack, unpack, read = loss_scale.packing(TrustRegionControl)


def judge(control, points, own_phases, weights, gradient, loss, second, epsilon):
    """The state after one evaluation, but for the phase and the trial step.

    Args:
        control: A `TrustRegionControl`.
        points: `Points`.
        own_phases: The method's own phases, an enumeration: it evaluates at the accepted point.
        weights: w, where the evaluation was taken, [n].
        gradient: dL/dw there, [n].
        loss: L there, a scalar.
        second: What the method needs of the second derivatives there, of any shape.
        epsilon: The dtype's rounding unit.

    Returns:
        The control with the evaluation counted, its phase still the old one; the points, the trial
        point still the old one; a `TrustRegionVerdict`; `second` in the control's unit.
    """
    loss, gradient, second = loss / control.unit, gradient / control.unit, second / control.unit
    verdict = _verdict(control, points, own_phases, weights, gradient, loss, second, epsilon)
    unit, factor = loss_scale.change_unit(
        control.unit, verdict.start & verdict.take, loss, xp.largest_magnitude(gradient)
    )
    control, points = _count(
        control._replace(unit=unit), points, verdict, weights, gradient * factor, loss * factor
    )
    due = control._replace(phase=verdict.purpose)
    verified = verdict.again & phases.is_phase(due, *own_phases)
    control = control._replace(
        verified=xp.where(verified, control.radius * 0.0 + 1.0, control.verified)
    )
    return control, points, verdict, second * factor


def _verdict(control, points, own_phases, weights, gradient, loss, second, epsilon):
    c, no = control, xp.logical_not
    gradient_norm = xp.largest_magnitude(gradient)
    finite = xp.is_finite(loss) & xp.is_finite(gradient_norm)
    finite = finite & xp.is_finite(xp.largest_magnitude(second))
    repeats = loss_scale.repeats(loss, c.loss, epsilon)
    at_trial = xp.all_equal(weights, points.trial_point)
    at_accepted = xp.all_equal(weights, points.accepted_point)
    purpose, resume, idle, start = phases.arrive(c, at_trial, at_accepted, finite, repeats)
    due = c._replace(phase=purpose)

    at_known = (resume | idle | phases.is_phase(due, *own_phases)) & no(start)
    again = at_known & finite & no(phases.is_phase(due, Phase.NOT_DETERMINISTIC))
    search = phases.is_phase(due, Phase.SEARCH) & no(start) & no(resume)
    ratio = (c.loss - loss) / c.promise
    # Where the promise itself is rounding, a good step is one with a smaller gradient. Without
    # one, the minimum is reached as far as the loss can tell, if it lies in the region.
    rounding = loss_scale.rounding(c.loss, epsilon)
    unseen = c.promise <= rounding
    smaller = (loss <= c.loss + rounding) & (gradient_norm <= 0.9 * c.gradient_norm)
    ratio = xp.where(unseen, xp.cast(smaller, ratio.dtype), ratio)
    accept = search & finite & (ratio > 1e-4)
    exhausted = search & finite & unseen & no(accept) & (c.step_length < 0.999 * c.radius)
    flat = loss_scale.is_level(loss, c.loss, c.promise, epsilon)
    level = xp.where(search & finite, xp.where(flat, c.level + 1.0, c.level * 0.0), c.level)
    radius = trust_region.next_radius(c.radius, c.step_length, ratio)
    radius = xp.where(finite, radius, 0.1 * c.step_length)
    return TrustRegionVerdict(
        purpose=purpose,
        start=start,
        take=(start & finite) | accept,
        again=again & repeats,
        rejected=search & no(accept),
        noisy=again & no(repeats),
        hopeless=start & no(finite),
        unknown=at_known & no(finite),
        exhausted=exhausted,
        coarse=search & (level >= float(loss_scale.MOST_LEVEL)),
        level=xp.where(start, level * 0.0, level),
        radius=xp.where(search, radius, c.radius),
    )


def _count(control, points, verdict, weights, gradient, loss):
    c, one, take = control, control.radius * 0.0 + 1.0, verdict.take
    accept = take & xp.logical_not(verdict.start)
    before = points.accepted_gradient
    fall, zero = c.loss - loss, c.radius * 0.0
    size = xp.square_root(xp.dot(weights, weights))
    ratio = xp.square_root(xp.dot(gradient, gradient) / xp.dot(before, before))
    ratio = xp.where(accept, ratio, xp.where(verdict.start, zero, c.gradient_ratio))
    # Where there is nothing finite to start from, the weights stay, and the loss is to be told.
    told = take | verdict.hopeless
    control = c._replace(
        loss=xp.where(told, loss, c.loss),
        gradient_norm=xp.where(told, xp.largest_magnitude(gradient), c.gradient_norm),
        step_size=xp.where(accept, c.step_length, c.step_size),
        evaluations=c.evaluations + one,
        iterations=xp.where(accept, c.iterations + one, c.iterations),
        restarts=xp.where(verdict.start & (c.evaluations > 0.0), c.restarts + one, c.restarts),
        suspended=xp.where(verdict.unknown, verdict.purpose, c.suspended),
        radius=verdict.radius,
        level=verdict.level,
        gradient_ratio=ratio,
        fall=xp.where(
            accept, loss_scale.recent_fall(c.fall, fall), xp.where(verdict.start, zero, c.fall)
        ),
        whole_fall=xp.where(
            accept, c.whole_fall + fall, xp.where(verdict.start, zero, c.whole_fall)
        ),
        extent=xp.where(
            accept, xp.maximum(c.extent, size), xp.where(verdict.start, size, c.extent)
        ),
        verified=xp.where(verdict.start, zero, c.verified),
        rejections=xp.where(
            verdict.rejected, c.rejections + one, xp.where(take, zero, c.rejections)
        ),
    )
    return control, points._replace(
        accepted_point=xp.where(told, weights, points.accepted_point),
        accepted_gradient=xp.where(take, gradient, before),
    )


def conclude(control, points, verdict, outcome):
    """The control in its next phase, and the points with the next trial point.

    Args:
        control: The `TrustRegionControl` that `judge` returned.
        points: The `Points` that it returned.
        verdict: The evaluation's `TrustRegionVerdict`.
        outcome: The method's `Proposal`.
    """
    phase = phases.follow(
        control.phase,
        (
            (verdict.again, verdict.purpose),
            *outcome.transitions,
            (outcome.lost | verdict.hopeless, Phase.FAILED),
            (verdict.coarse, Phase.TOO_COARSE),
            ((verdict.take & outcome.flat) | verdict.exhausted, Phase.CONVERGED),
            (verdict.noisy, Phase.NOT_DETERMINISTIC),
            (verdict.unknown, Phase.REPEAT),
        ),
    )
    control = control._replace(
        phase=phase,
        radius=outcome.radius,
        promise=outcome.promise,
        step_length=outcome.length,
        products=outcome.products,
    )
    moving = phases.is_phase(control, Phase.SEARCH)
    point = points.accepted_point
    return control, points._replace(trial_point=xp.where(moving, point + outcome.change, point))
