"""The course of a line-search method as scalars: what an evaluation means, and what comes next.

One evaluation of loss and gradient comes in, at weights that are usually the trial point asked for
last; what comes out says whether that point is accepted, whether a new search begins, and where
the next evaluation has to be. Nothing branches on a value (see `more_thuente`).
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import gradient_search, more_thuente
from keras_dlnotes.numerics.more_thuente import Bracket

xp = active.arrays

# What the evaluation that is under way is for.
START = 0  # at new weights: they become the first accepted point
VERIFY = 1  # once more at the first point: does the objective repeat itself?
SEARCH = 2  # at a trial point of the line search
SETTLE = 3  # at the best step of a search that ran out of evaluations
EXAMINE = 4  # at the accepted point after a failed search: noise, or nothing left to gain?
RESUME = 5  # at the accepted point because someone put it back (the end of `fit`)
CONVERGED = 6
FAILED = 7
NOT_DETERMINISTIC = 8
REPEAT = 9  # at the accepted point: the last evaluation was not finite where it has to be
TOO_COARSE = 10  # as FAILED, and the loss was the same at points that should have differed

# What `FAILED` is called where there was nothing to start from.
NOT_FINITE = "not finite"

NAMES = {
    START: "not started",
    VERIFY: "searching",
    SEARCH: "searching",
    SETTLE: "searching",
    EXAMINE: "searching",
    RESUME: "searching",
    CONVERGED: "converged",
    FAILED: "line search failed",
    NOT_DETERMINISTIC: "not deterministic",
    REPEAT: NOT_FINITE,
    TOO_COARSE: "loss too coarse",
}


class Control(NamedTuple):
    """Everything the method remembers that is not a vector; every field a scalar of one dtype.

    Losses, gradients and slopes are multiples of `unit`.
    """

    phase: Any
    suspended: Any  # the phase to go back to from RESUME and REPEAT
    loss: Any  # at the accepted point
    gradient_norm: Any  # largest magnitude at the accepted point
    slope: Any  # along the search direction, at the accepted point
    step: Any  # being tried, as a multiple of the search direction
    step_size: Any  # of the last accepted step
    stored: Any  # pairs in the history since it was last emptied
    search_evaluations: Any  # in this line search
    evaluations: Any  # in all
    iterations: Any  # accepted steps
    restarts: Any  # from steepest descent
    bracket: Any
    unit: Any  # a power of 2 near the loss or the gradient at the start, whichever is larger
    level: Any  # how many evaluations in this search were `is_level`


class Settings(NamedTuple):
    """The method's constants, Python numbers but for the tolerance, which is in `Control.unit`."""

    sufficient_decrease: float
    curvature: float
    gradient_tolerance: Any
    max_search_evaluations: int
    verify_determinism: bool
    epsilon: float  # the dtype's rounding unit
    bracket_tolerance: float = 0.1
    longest_step: float = 1e10


class Observation(NamedTuple):
    """One evaluation: scalars, `loss` and `loss_known` False where the loss cannot be had."""

    loss: Any
    loss_known: bool
    slope: Any
    gradient_norm: Any
    repeats_gradient: Any  # the gradient equals the accepted point's but for rounding
    at_trial: Any
    at_accepted: Any


class Pair(NamedTuple):
    """What an accepted step changed."""

    step_change: Any  # s = w_new - w, [n]
    gradient_change: Any  # y = g_new - g, [n]
    step_size: Any  # alpha in s = alpha p, a scalar


class Decision(NamedTuple):
    """What follows for the vectors; every field a boolean scalar."""

    accept: Any  # the weights seen become the accepted point, after a line search
    take: Any  # the weights seen become the accepted point: `accept`, or a new start
    hopeless: Any  # nothing finite to start from: the weights seen stay as they are
    begin: Any  # a search begins from the accepted point: a direction is needed
    forget: Any  # the history must be emptied first


WIDTH = len(Control._fields) - 1 + len(Bracket._fields)


def pack(control):
    """One vector of all scalars."""
    return xp.stack([*control[:-3], *control.bracket, *control[-2:]])


def unpack(vector):
    """The scalars of a packed vector."""
    control = _named(xp.unstack(vector, WIDTH))
    return control._replace(unit=known_unit(control.unit))


def read(vector):
    """The scalars of a packed vector that is on the host, as Python numbers in the loss's unit."""
    c = _named([float(number) for number in vector])
    unit = c.unit or 1.0
    return c._replace(loss=c.loss * unit, gradient_norm=c.gradient_norm * unit)


def _named(scalars):
    count = len(Control._fields) - 3
    return Control._make([*scalars[:count], Bracket(*scalars[count:-2]), *scalars[-2:]])


def known_unit(unit):
    """The unit; 1 before the first start, where it is still 0."""
    return xp.where(unit > 0.0, unit, unit * 0.0 + 1.0)


def is_level(loss, accepted_loss, promised, epsilon):
    """Whether a loss has not changed at all, where much more than rounding was promised.

    A smooth loss does not do that several times in turn; one that is computed in fewer digits than
    its dtype has, by quantized weights or a rounded output, is a staircase.
    """
    rounding = 10.0 * epsilon * xp.absolute(accepted_loss)
    return (xp.absolute(loss - accepted_loss) <= rounding) & (promised > 100.0 * rounding)


# So many such evaluations in turn are enough.
MOST_LEVEL = 3


def change_unit(unit, begins, loss, gradient_norm):
    """The unit for what begins with this loss and gradient, and the old unit as a multiple of it.

    In a unit of their own no loss is so small or large that its square leaves the dtype's range,
    and no constant of a method depends on what the loss is measured in. Nothing else changes: a
    power of 2 is divided by without rounding.
    """

    def fresh():
        size = xp.maximum(xp.absolute(loss), gradient_norm)
        power = size * 0.0 + 1.0
        for exponent in (64, 32, 16, 8, 4, 2, 1):
            factor = 2.0**exponent
            power = xp.where(power * factor <= size, power * factor, power)
            power = xp.where((power > factor * size) & (size > 0.0), power / factor, power)
        return unit * xp.where((power > size) & (size > 0.0), power / 2.0, power)

    new = xp.conditional(begins, fresh, lambda: unit)
    return new, unit / new


def is_phase(control, *phases):
    """Whether the control is in one of these phases."""
    result = control.phase == float(phases[0])
    for phase in phases[1:]:
        result = result | (control.phase == float(phase))
    return result


def advance(control, seen, settings):
    """The control after one evaluation, and what it means for the vectors.

    Where the decision is to begin a search, `begin` has to follow with the direction's slope.
    """
    c = control
    zero, one = c.step * 0.0, c.step * 0.0 + 1.0
    no = xp.logical_not
    finite = xp.is_finite(seen.gradient_norm) & xp.is_finite(seen.slope)
    repeats = seen.repeats_gradient
    if seen.loss_known:
        finite = finite & xp.is_finite(seen.loss)
        # The same weights must give the same loss, but for the rounding of a reordered sum, which
        # Keras takes in float32 in places even where everything else is float64.
        change = xp.absolute(seen.loss - c.loss)
        repeats = change <= max(settings.epsilon**0.5, 1e-6) * xp.absolute(c.loss)

    elsewhere = no(seen.at_trial) & no(seen.at_accepted)
    put_back = no(seen.at_trial) & seen.at_accepted & no(is_phase(c, START, RESUME))
    back = is_phase(c, RESUME, REPEAT)
    resume = put_back | back
    purpose = xp.where(back, c.suspended, c.phase)

    def is_for(*phases):
        return is_phase(c._replace(phase=purpose), *phases)

    idle = is_for(CONVERGED, FAILED, TOO_COARSE)
    # Another objective (new data, a second `fit`), or somebody has moved the weights.
    start = is_phase(c, START) | elsewhere | ((resume | idle) & finite & no(repeats))
    start = start | (resume & is_for(NOT_DETERMINISTIC) & finite)
    # Where the loss has been finite before, one that is not says nothing: it is evaluated again.
    again = resume | idle | is_for(VERIFY, EXAMINE) | is_phase(c, SETTLE)
    again = again & no(start) & no(finite)
    going_on = no(start) & no(again)
    # At the accepted point a first evaluation of a second `fit` is as good as any other.
    verify = is_for(VERIFY) & going_on
    examine = is_for(EXAMINE) & going_on
    search = is_phase(c, SEARCH) & going_on & no(resume)
    settle = is_phase(c, SETTLE) & going_on & no(resume)

    count = xp.where(search, c.search_evaluations + 1.0, c.search_evaluations)
    exhausted = count >= float(settings.max_search_evaluations)
    verdict = _search(c, seen, settings)
    retreated, limited = more_thuente.retreat(c.bracket, c.step)
    if seen.loss_known:
        lower_here = seen.loss < c.loss
        lower_best = verdict.bracket.best_loss < c.loss
        lower_limited = c.bracket.best_loss < c.loss
    else:
        lower_here = xp.absolute(seen.slope) <= xp.absolute(c.slope)
        lower_best = verdict.bracket.best_step > 0.0
        lower_limited = c.bracket.best_step > 0.0
    level = c.level
    if seen.loss_known:
        # The gradient still claims there what it claimed at the accepted point.
        steep = seen.slope <= 0.5 * c.slope
        flat = is_level(seen.loss, c.loss, -c.step * c.slope, settings.epsilon) & steep
        level = xp.where(search & finite & flat, level + 1.0, level)
    good = finite & (verdict.accepted | (verdict.stuck & lower_here))
    accept = (search & good) | (settle & finite & lower_here)
    coarse = level >= float(MOST_LEVEL)
    stuck = finite & (verdict.stuck | coarse) & no(lower_here)
    open_search = search & no(accept) & no(stuck)
    best_is_lower = xp.where(finite, lower_best, lower_limited)
    to_settle = open_search & exhausted & best_is_lower
    failed = (
        (search & stuck) | (settle & no(accept)) | (open_search & exhausted & no(best_is_lower))
    )
    proceed = open_search & no(exhausted)

    take = (start & finite) | accept
    hopeless = start & no(finite)  # its loss and gradient are kept to be told
    converged = take & (seen.gradient_norm <= settings.gradient_tolerance)
    to_verify = start & finite & no(converged)
    begin_first = verify & repeats
    if not settings.verify_determinism:
        begin_first, to_verify = begin_first | to_verify, to_verify & no(to_verify)
    restart = examine & repeats & (c.stored > 0.0)
    begin = begin_first | restart | (accept & no(converged))
    noisy = (verify | examine) & no(repeats)
    give_up = (examine & repeats & no(restart)) | hopeless

    phase = c.phase
    for condition, value in (
        (resume & no(start), purpose),
        (again, REPEAT),
        (to_verify, VERIFY),
        (begin, SEARCH),
        (to_settle, SETTLE),
        (failed, EXAMINE),
        (give_up, FAILED),
        (give_up & coarse & finite, TOO_COARSE),
        (noisy, NOT_DETERMINISTIC),
        (converged, CONVERGED),
    ):
        phase = xp.where(condition, value * one, phase)
    best_step = xp.where(finite, verdict.bracket.best_step, c.bracket.best_step)
    next_step = xp.where(finite, verdict.step, retreated)
    step = xp.where(to_settle, best_step, xp.where(proceed, next_step, c.step))
    stays = (resume & no(start)) | again | proceed | to_settle | begin
    forget = start | restart
    bracket = more_thuente.choose(
        proceed | to_settle,
        more_thuente.choose(finite, verdict.bracket, limited),
        c.bracket,
    )
    return Control(
        phase=phase,
        suspended=xp.where(again, purpose, c.suspended),
        loss=xp.where(take | hopeless, seen.loss, c.loss),
        gradient_norm=xp.where(take | hopeless, seen.gradient_norm, c.gradient_norm),
        slope=c.slope,
        step=xp.where(stays, step, zero),
        step_size=xp.where(accept, c.step, c.step_size),
        stored=xp.where(forget, zero, c.stored),
        search_evaluations=count,
        evaluations=c.evaluations + 1.0,
        iterations=xp.where(accept, c.iterations + 1.0, c.iterations),
        restarts=xp.where(restart | ((c.evaluations > 0.0) & start), c.restarts + 1.0, c.restarts),
        bracket=bracket,
        unit=c.unit,
        level=level,
    ), Decision(accept=accept, take=take, hopeless=hopeless, begin=begin, forget=forget)


def begin(control, begins, slope, step, settings):
    """The control with a new search in it where `begins`: first trial `step`, phi'(0) `slope`."""
    fresh = more_thuente.start(control.loss, slope, step, step * 0.0 + settings.longest_step)
    return control._replace(
        slope=xp.where(begins, slope, control.slope),
        step=xp.where(begins, step, control.step),
        search_evaluations=xp.where(begins, step * 0.0, control.search_evaluations),
        bracket=more_thuente.choose(begins, fresh, control.bracket),
        level=xp.where(begins, step * 0.0, control.level),
    )


def steepest(gradient):
    """The direction of steepest descent and the slope along it.

    Of unit length: the first trial step is no longer than 1 however steep the loss is. Scaled
    before it is squared, for gradients whose square would overflow.
    """
    scaled = gradient / xp.largest_magnitude(gradient)
    unit = -scaled / xp.square_root(xp.dot(scaled, scaled))
    return unit, xp.dot(gradient, unit)


def _search(c, seen, settings):
    if not seen.loss_known:
        return gradient_search.advance(
            c.bracket,
            c.step,
            seen.slope,
            slope_0=c.slope,
            sufficient_decrease=settings.sufficient_decrease,
            curvature=settings.curvature,
            tolerance=settings.bracket_tolerance,
        )
    return more_thuente.advance(
        c.bracket,
        c.step,
        seen.loss,
        seen.slope,
        loss_0=c.loss,
        slope_0=c.slope,
        sufficient_decrease=settings.sufficient_decrease,
        curvature=settings.curvature,
        tolerance=settings.bracket_tolerance,
        noise=10.0 * settings.epsilon * xp.absolute(c.loss),
    )
