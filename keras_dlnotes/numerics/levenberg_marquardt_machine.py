"""The course of Levenberg-Marquardt: what an evaluation means, and what comes next.

One evaluation of loss and gradient comes in, at the accepted point or at a trial point. `judge`
says what it means; where that asks for it, the method makes a new ladder of steps
(`levenberg_marquardt.ladder`); `follow` chooses the next point. A rejected trial is followed by a
shorter step of the same ladder, without another Jacobian. Nothing branches on a value.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import levenberg_marquardt, loss_scale, phases
from keras_dlnotes.numerics.phases import GaussNewtonPhase, Phase

xp = active.arrays

# So many rejected steps in turn are enough where all that is promised may be a sum's rounding.
_MOST_QUIET = 6.0


class LevenbergMarquardtControl(NamedTuple):
    """Everything the method remembers that is not a vector; scalars of one dtype.

    Losses and gradients are multiples of `unit`. Lengths are those of D p.
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
    rung: Any  # which step of the ladder is tried
    promise: Any  # the model's reduction for the trial step
    step_length: Any  # of the trial step
    full_promise: Any  # of the model's own minimum
    full_length: Any  # of the step to the model's own minimum
    scaled_norm: Any  # |D^-1 g| at the accepted point
    unit: Any  # as in `LineSearchControl`
    level: Any  # how many evaluations in turn were `loss_scale.is_level`


class LevenbergMarquardtVerdict(NamedTuple):
    """What an evaluation means; booleans but for `purpose`."""

    purpose: Any  # the phase that the evaluation belongs to, whatever has come between
    start: Any
    take: Any  # the weights seen become the accepted point
    again: Any  # at the accepted point, and the loss repeats itself
    rejected: Any
    noisy: Any
    hopeless: Any  # loss or gradient at the starting weights are not finite
    unknown: Any  # they are not, where they have been finite before
    exhausted: Any  # no better point can be told by the loss
    coarse: Any  # the loss did not change where it should have


class StoredLadder(NamedTuple):
    """The steps from the accepted point, as they are remembered."""

    column_lengths: Any  # the largest lengths of the factor's columns so far, [n]
    steps: Any  # p, [count, n]
    lengths: Any  # |D p|, [count]
    promises: Any  # [count]


class Fresh(NamedTuple):
    """What is known of a new ladder beside its steps; scalars."""

    radius: Any
    full_promise: Any
    full_length: Any
    scaled_norm: Any
    flat: Any  # 1 where the gradient is within the tolerance, else 0
    coupled: Any  # 1 where the gradient is not that of independent examples, else 0


WIDTH = len(LevenbergMarquardtControl._fields)


pack, unpack, read = loss_scale.packing(LevenbergMarquardtControl)


def judge(control, points, column_lengths, weights, gradient, loss, epsilon):
    """The state after one evaluation, but for the ladder, the phase and the trial point.

    Args:
        control: A `LevenbergMarquardtControl`.
        points: `phases.Points`.
        column_lengths: As in `StoredLadder`.
        weights: w, where the evaluation was taken, [n].
        gradient: dL/dw there, [n].
        loss: L there, a scalar.
        epsilon: The dtype's rounding unit.

    Returns:
        The control with the evaluation counted, its phase still the old one; the points, the trial
        point still the old one; a `LevenbergMarquardtVerdict`.
    """
    loss, gradient = loss / control.unit, gradient / control.unit
    verdict, radius, level = _verdict(
        control, points, column_lengths, weights, gradient, loss, epsilon
    )
    unit, factor = loss_scale.change_unit(
        control.unit, verdict.start & verdict.take, loss, xp.largest_magnitude(gradient)
    )
    loss, gradient = loss * factor, gradient * factor
    c, one = control, control.radius * 0.0 + 1.0
    accept = verdict.take & xp.logical_not(verdict.start)
    # Where there is nothing finite to start from, the weights stay, and the loss is to be told.
    told = verdict.take | verdict.hopeless
    again = verdict.start & (c.evaluations > 0.0)
    control = c._replace(
        loss=xp.where(told, loss, c.loss),
        gradient_norm=xp.where(told, xp.largest_magnitude(gradient), c.gradient_norm),
        step_size=xp.where(accept, c.step_length, c.step_size),
        evaluations=c.evaluations + one,
        iterations=xp.where(accept, c.iterations + one, c.iterations),
        restarts=xp.where(again, c.restarts + one, c.restarts),
        suspended=xp.where(verdict.unknown, verdict.purpose, c.suspended),
        radius=radius,
        level=level,
        unit=unit,
    )
    points = points._replace(
        accepted_point=xp.where(told, weights, points.accepted_point),
        accepted_gradient=xp.where(verdict.take, gradient, points.accepted_gradient),
    )
    return control, points, verdict


def _verdict(control, points, column_lengths, weights, gradient, loss, epsilon):
    c, no = control, xp.logical_not
    finite = xp.is_finite(loss) & xp.is_finite(xp.largest_magnitude(gradient))
    repeats = loss_scale.repeats(loss, c.loss, epsilon)
    at_trial = xp.all_equal(weights, points.trial_point)
    at_accepted = xp.all_equal(weights, points.accepted_point)
    purpose, resume, idle, start = phases.arrive(c, at_trial, at_accepted, finite, repeats)
    due = c._replace(phase=purpose)
    at_known = (resume | idle | phases.is_phase(due, GaussNewtonPhase.FORM)) & no(start)
    again = at_known & finite & no(phases.is_phase(due, Phase.NOT_DETERMINISTIC))
    search = phases.is_phase(due, Phase.SEARCH) & no(start) & no(resume)

    change = loss - c.loss
    slope = xp.dot(points.accepted_gradient, points.trial_point - points.accepted_point)
    # That of the model's step is below this anyway; that of an accelerated one may be above 0.
    slope = xp.minimum(slope, -c.promise)
    ratio = -change / c.promise
    # Where the promise itself is rounding, a good step is one with a smaller gradient. Keras takes
    # some sums in float32 even where everything else is float64: a step that the loss cannot tell
    # then is judged by the gradient too, unless the loss praises it.
    rounding = 10.0 * loss_scale.rounding(c.loss, epsilon)
    noise = loss_scale.noise(c.loss, epsilon)
    unseen = c.promise <= rounding
    quiet = (c.full_promise <= noise) & (xp.absolute(change) <= noise)
    norm = scaled_norm(gradient, column_lengths)
    smaller = (norm <= 0.9 * c.scaled_norm) & (change <= xp.where(quiet, noise, rounding))
    by_gradient = unseen | (quiet & no(ratio > 1e-4))
    ratio = xp.where(by_gradient, xp.cast(smaller, ratio.dtype), ratio)
    accept = search & finite & (ratio > 1e-4)
    own_minimum = c.step_length >= 0.999 * c.full_length
    tiny = c.full_length <= 100.0 * epsilon * _size(points.accepted_point, column_lengths)
    exhausted = (unseen & own_minimum) | tiny | (quiet & (c.rung >= _MOST_QUIET))
    flat = loss_scale.is_level(loss, c.loss, c.promise, epsilon) & no(accept)
    level = xp.where(search & finite, xp.where(flat, c.level + 1.0, c.level * 0.0), c.level)
    radius = levenberg_marquardt.next_radius(
        c.radius, c.step_length, own_minimum, ratio, change, slope, finite
    )
    verdict = LevenbergMarquardtVerdict(
        purpose=purpose,
        start=start,
        take=(start & finite) | accept,
        again=again & repeats,
        rejected=search & no(accept),
        noisy=again & no(repeats),
        hopeless=start & no(finite),
        unknown=at_known & no(finite),
        exhausted=search & finite & no(accept) & exhausted,
        coarse=search & (level >= float(loss_scale.MOST_LEVEL)),
    )
    level = xp.where(start, level * 0.0, level)
    return verdict, xp.where(search, radius, c.radius), level


def scaled_norm(gradient, column_lengths):
    """|D^-1 g|, which does not depend on the weights' units."""
    scaled = gradient / levenberg_marquardt.scale_of(column_lengths)
    return xp.square_root(xp.dot(scaled, scaled))


def _size(point, column_lengths):
    scaled = levenberg_marquardt.scale_of(column_lengths) * point
    return xp.square_root(xp.dot(scaled, scaled))


def first_radius(point, column_lengths, initial_radius):
    """Delta at the start: so many times |D w|, as MINPACK has it."""
    size = _size(point, column_lengths)
    return initial_radius * xp.where(size > 0.0, size, size + 1.0)


def needs_ladder(verdict, verify_determinism):
    """Whether new steps from the accepted point are needed."""
    at_once = verdict.take
    if verify_determinism:
        at_once = verdict.take & xp.logical_not(verdict.start)
    return at_once | (verdict.again & (verdict.purpose == float(GaussNewtonPhase.FORM)))


def follow(control, points, verdict, ladder, new, fresh, epsilon, verify_determinism):
    """The control with its next phase, and the next trial point.

    Args:
        control: The `LevenbergMarquardtControl` that `judge` returned.
        points: The `Points` that `judge` returned.
        verdict: The evaluation's `LevenbergMarquardtVerdict`.
        ladder: The `StoredLadder` from the accepted point.
        new: Whether it is new, a boolean scalar.
        fresh: What is known of a new one.
        epsilon: The dtype's rounding unit.
        verify_determinism: Whether a start is evaluated twice.
    """
    c, one, no = control, control.radius * 0.0 + 1.0, xp.logical_not
    count = float(ladder.steps.shape[0])
    c = c._replace(
        radius=xp.where(new, fresh.radius, c.radius),
        full_promise=xp.where(new, fresh.full_promise, c.full_promise),
        full_length=xp.where(new, fresh.full_length, c.full_length),
        scaled_norm=xp.where(new, fresh.scaled_norm, c.scaled_norm),
    )
    shorter = xp.maximum(levenberg_marquardt.rung(ladder.lengths, c.radius), c.rung + 1.0)
    rung = xp.where(verdict.rejected, shorter, c.rung)
    rung = xp.where(new, rung * 0.0, rung)
    at_end = verdict.rejected & (rung >= count)
    chosen = xp.cast(xp.minimum(rung, one * (count - 1.0)), "int32")
    step = xp.row(ladder.steps, chosen)
    length = xp.take(ladder.lengths, chosen)
    size = _size(points.accepted_point, ladder.column_lengths)
    lost = verdict.rejected & (c.radius <= epsilon * (size + epsilon))
    powerless = new & no(fresh.full_promise > 0.0)
    lost = lost | powerless
    # Where the loss is a plane in the outputs, the model promises nothing, and nothing follows.
    on_a_plane = powerless & (xp.largest_magnitude(points.accepted_gradient) > 0.0)
    within_noise = c.full_promise <= loss_scale.noise(c.loss, epsilon)
    due = c._replace(phase=verdict.purpose)
    going = verdict.again & phases.is_phase(due, GaussNewtonPhase.FORM, Phase.SEARCH)
    first_phase = GaussNewtonPhase.FORM if verify_determinism else Phase.SEARCH
    phase = phases.follow(
        c.phase,
        (
            (verdict.again, verdict.purpose),
            (verdict.start & verdict.take, first_phase),
            (going, Phase.SEARCH),
            (at_end, GaussNewtonPhase.FORM),
            (lost | verdict.hopeless, Phase.FAILED),
            (lost & within_noise & no(on_a_plane), Phase.CONVERGED),
            (verdict.coarse, Phase.TOO_COARSE),
            ((new & (fresh.flat > 0.0)) | verdict.exhausted, Phase.CONVERGED),
            (new & (fresh.coupled > 0.0), GaussNewtonPhase.COUPLED),
            (verdict.noisy, Phase.NOT_DETERMINISTIC),
            (verdict.unknown, Phase.REPEAT),
        ),
    )
    searching = phases.is_phase(c._replace(phase=phase), Phase.SEARCH)
    tried = searching & (new | verdict.rejected)
    c = c._replace(
        phase=phase,
        rung=rung,
        promise=xp.where(tried, xp.take(ladder.promises, chosen), c.promise),
        step_length=xp.where(tried, length, c.step_length),
        # The next rejection shrinks what was really tried.
        radius=xp.where(tried & verdict.rejected, length, c.radius),
    )
    point = points.accepted_point
    return c, xp.where(searching, point + step, point)
