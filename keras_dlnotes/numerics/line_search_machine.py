"""The course of a line-search method as scalars: what an evaluation means, and what comes next.

One evaluation of loss and gradient comes in, at weights that are usually the trial point asked for
last; what comes out says whether that point is accepted, whether a new search begins, and where
the next evaluation has to be. Nothing branches on a value (see `more_thuente`). Which phase follows
from what stands as a table in `docs/second_order.md`.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import gradient_only_line_search, loss_scale, more_thuente, phases
from keras_dlnotes.numerics.more_thuente import Bracket
from keras_dlnotes.numerics.phases import LineSearchPhase, Phase

xp = active.arrays

# A search that goes on after so many evaluations is the sign of a loss that may not repeat itself.
DOUBTFUL = 3


class LineSearchControl(NamedTuple):
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
    fall: Any  # by how much the loss has fallen lately, see `loss_scale.recent_fall`
    whole_fall: Any  # since the start
    verified: Any  # 1 once the loss has been the same twice at the same weights, else 0
    stalls: Any  # how many accepted steps in turn left the loss level, though they promised much
    extent: Any  # the largest length of the weights at the accepted points since the start
    # How many searches in turn were begun although the step before promised nothing; -1 once such a
    # search has found nothing.
    confirming: Any


class Settings(NamedTuple):
    """The method's constants, Python numbers; the tolerance is in the unit of the loss.

    Without a tolerance, converged is as `loss_scale.promises_nothing` says.
    """

    sufficient_decrease: float
    curvature: float
    gradient_tolerance: float | None
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
    size: Any = 0.0  # the weights' length


class Decision(NamedTuple):
    """What an evaluation means for the vectors; boolean scalars, and four numbers."""

    accept: Any  # the weights seen become the accepted point, after a line search
    take: Any  # the weights seen become the accepted point: `accept`, or a new start
    hopeless: Any  # nothing finite to start from: the weights seen stay as they are
    begin: Any  # a search begins from the accepted point: a direction is needed
    afresh: Any  # with steepest descent, although there are pairs
    unit_factor: Any  # the unit before as a multiple of the one from now on
    step_size: Any  # of the last accepted step
    loss_change: Any  # what has become of the accepted loss
    loss: Any  # at the accepted point
    stored: Any  # pairs in the history, without the one that this evaluation may add


class Transition:
    """What one evaluation leads to: a `Decision`, and the new control.

    Where the decision is to begin a search, the control has to know the direction's slope. So it
    comes only out of `control`, which asks for it.
    """

    def __init__(self, control, decision, settings):
        self._control, self._settings = control, settings
        self.decision = decision

    def promises_nothing(self, slope, length, stored):
        """Whether a search along a direction would have nothing to gain: converged.

        Args:
            slope: phi'(0) along the direction, a scalar.
            length: The direction's, a scalar.
            stored: How many pairs there are in the history now, a scalar.
        """
        c, settings = self._control, self._settings
        if settings.gradient_tolerance is not None:
            return self.decision.begin & xp.logical_not(self.decision.begin)
        # One pair knows the curvature along one direction, steepest descent along none: they
        # promise nothing in particular.
        known = (stored > 1.0) | (slope == 0.0)
        nothing = loss_scale.promises_nothing(-0.5 * slope, length, c, settings.epsilon)
        return self.decision.begin & known & nothing

    def is_doubtful(self, slope, leverage):
        """Whether a promise of nothing is not to be trusted: search along another direction.

        Args:
            slope: phi'(0) along the direction, a scalar.
            leverage: max_i |w_i dL/dw_i|, a scalar.
        """
        c, epsilon = self._control, self._settings.epsilon
        doubtful = loss_scale.is_doubtful(-0.5 * slope, leverage, c.loss, epsilon)
        return doubtful & (c.confirming >= 0.0)

    def is_stale(self):
        """Whether what is known of the curvature has promised nothing three times, and wrongly."""
        return self._control.confirming > 1.5

    def control(self, slope, step, stored, longest_step=None, converged=None, confirming=None):
        """The control, with a new search in it where one begins.

        Args:
            slope: phi'(0) along the new direction, a scalar, as are the others.
            step: The first trial step, as a multiple of the direction.
            stored: How many pairs there are in the history now.
            longest_step: Of the new search, a multiple of the direction; None: the settings'.
            converged: Whether it has nothing to gain, see `promises_nothing`; None: no.
            confirming: Whether the direction is another one, because the first was doubtful;
                None: no.
        """
        longest_step = self._settings.longest_step if longest_step is None else longest_step
        c, begins, zero = self._control, self.decision.begin, step * 0.0
        never = begins & xp.logical_not(begins)
        converged = never if converged is None else begins & converged
        confirming = never if confirming is None else confirming
        phase = phases.follow(c.phase, ((converged, Phase.CONVERGED),))
        step = xp.where(converged, zero, step)
        fresh = more_thuente.start(c.loss, slope, step, zero + longest_step)
        return c._replace(
            phase=phase,
            slope=xp.where(begins, slope, c.slope),
            step=xp.where(begins, step, c.step),
            stored=stored,
            search_evaluations=xp.where(begins, zero, c.search_evaluations),
            bracket=more_thuente.choose(begins, fresh, c.bracket),
            level=xp.where(begins, zero, c.level),
            confirming=xp.where(
                begins, xp.where(confirming, c.confirming + 1.0, zero), c.confirming
            ),
        )


_LAST = 8  # so many numbers stand behind the bracket's
WIDTH = len(LineSearchControl._fields) - 1 + len(Bracket._fields)


def pack(control):
    """One vector of all scalars."""
    return xp.stack([*control[: -_LAST - 1], *control.bracket, *control[-_LAST:]])


def unpack(vector):
    """The scalars of a packed vector."""
    control = _named(xp.unstack(vector, WIDTH))
    return control._replace(unit=loss_scale.known_unit(control.unit))


def read(vector):
    """The scalars of a packed vector that is on the host, as Python numbers in the loss's unit."""
    c = _named([float(number) for number in vector])
    unit = c.unit or 1.0
    return c._replace(loss=c.loss * unit, gradient_norm=c.gradient_norm * unit)


def _named(scalars):
    count = len(LineSearchControl._fields) - _LAST - 1
    bracket = Bracket(*scalars[count:-_LAST])
    return LineSearchControl._make([*scalars[:count], bracket, *scalars[-_LAST:]])


def advance(control, seen, settings):
    """What one evaluation leads to, a `Transition`.

    Args:
        control: A `LineSearchControl`.
        seen: An `Observation`, in the control's unit.
        settings: `Settings`.
    """
    c = control
    zero = c.step * 0.0
    one = zero + 1.0
    rounding = loss_scale.rounding(c.loss, settings.epsilon)
    no = xp.logical_not
    finite = xp.is_finite(seen.gradient_norm) & xp.is_finite(seen.slope)
    repeats = seen.repeats_gradient
    if seen.loss_known:
        finite = finite & xp.is_finite(seen.loss)
        # The same weights must give the same loss.
        repeats = loss_scale.repeats(seen.loss, c.loss, settings.epsilon)
    purpose, resume, idle, start = phases.arrive(
        c, seen.at_trial, seen.at_accepted, finite, repeats
    )

    def is_for(phase):
        return purpose == float(phase)

    # Where the loss has been finite before, one that is not says nothing: it is evaluated again.
    at_settled = phases.is_phase(c, LineSearchPhase.SETTLE)
    verify, examine = is_for(LineSearchPhase.VERIFY), is_for(LineSearchPhase.EXAMINE)
    again = (resume | idle | verify | examine | at_settled) & no(start) & no(finite)
    going_on = no(start) & no(again)
    # At the accepted point a first evaluation of a second `fit` is as good as any other.
    verify, examine = verify & going_on, examine & going_on
    search = phases.is_phase(c, Phase.SEARCH) & going_on & no(resume)
    settle = at_settled & going_on & no(resume)

    count = xp.where(search, c.search_evaluations + 1.0, c.search_evaluations)
    exhausted = count >= float(settings.max_search_evaluations)
    result = _search(c, seen, settings)
    retreated, limited = more_thuente.retreat(c.bracket, c.step)
    if seen.loss_known:
        lower_here = seen.loss < c.loss
        lower_best = result.bracket.best_loss < c.loss
        lower_limited = c.bracket.best_loss < c.loss
    else:
        lower_here = xp.absolute(seen.slope) <= xp.absolute(c.slope)
        lower_best = result.bracket.best_step > 0.0
        lower_limited = c.bracket.best_step > 0.0
    level = c.level
    if seen.loss_known:
        # The gradient still claims there what it claimed at the accepted point.
        steep = seen.slope <= 0.5 * c.slope
        flat = loss_scale.is_level(seen.loss, c.loss, -c.step * c.slope, settings.epsilon) & steep
        level = xp.where(search & finite & flat, level + 1.0, level)
    good = finite & (result.accepted | (result.stuck & lower_here))
    accept = (search & good) | (settle & finite & lower_here)
    coarse = level >= float(loss_scale.MOST_LEVEL)
    stuck = finite & (result.stuck | coarse) & no(lower_here)
    open_search = search & no(accept) & no(stuck)
    best_is_lower = xp.where(finite, lower_best, lower_limited)
    to_settle = open_search & exhausted & best_is_lower
    failed = (
        (search & stuck) | (settle & no(accept)) | (open_search & exhausted & no(best_is_lower))
    )
    proceed = open_search & no(exhausted)
    known = xp.where(start, zero, c.verified) > 0.5
    if settings.verify_determinism:
        to_verify = proceed & no(known) & (count >= float(DOUBTFUL))
    else:
        to_verify = proceed & no(proceed)

    take = (start & finite) | accept
    hopeless = start & no(finite)  # its loss and gradient are kept to be told
    told = take | hopeless
    tolerance = zero + (settings.gradient_tolerance or 0.0) / c.unit
    if settings.gradient_tolerance is None and seen.loss_known:
        # Nothing is known of the curvature at a start: it may be the minimum already.
        small = settings.epsilon ** (2.0 / 3.0) * xp.absolute(seen.loss)
        tolerance = xp.where(start, small, tolerance)
    converged = take & (seen.gradient_norm <= tolerance)
    begin_first = start & finite & no(converged)
    # A file of an earlier version may verify before the first search.
    begin_first = begin_first | (verify & repeats & (c.step == 0.0))
    go_on = verify & repeats & (c.step != 0.0)
    restart = examine & repeats & (c.stored > 0.0)
    if settings.gradient_tolerance is None:
        # What the failed direction promised is no more than the rounding of the loss.
        hidden = -0.5 * c.slope <= rounding
        hidden = restart & (hidden | (c.confirming > 0.5)) & no(coarse)
        converged, restart = converged | hidden, restart & no(hidden)
    begin = begin_first | restart | (accept & no(converged))
    noisy = (verify | examine) & no(repeats)
    give_up = (examine & repeats & no(restart | converged)) | hopeless

    best_step = xp.where(finite, result.bracket.best_step, c.bracket.best_step)
    next_step = xp.where(finite, result.step, retreated)
    step = xp.where(to_settle, best_step, xp.where(proceed, next_step, c.step))
    stays = (resume & no(start)) | again | proceed | to_settle | begin | go_on
    bracket = more_thuente.choose(
        proceed | to_settle,
        more_thuente.choose(finite, result.bracket, limited),
        c.bracket,
    )
    by_slopes = -0.5 * c.step * (c.slope + seen.slope)
    fall = c.loss - seen.loss if seen.loss_known else by_slopes
    found = fall > 100.0 * rounding
    # The directions promise much, and the loss stays what it is: they are no good any more.
    stall = accept & (fall <= rounding) & (-c.slope > 100.0 * rounding)
    stalls = xp.where(stall, c.stalls + 1.0, xp.where(accept | start, zero, c.stalls))
    afresh = stalls >= float(loss_scale.MOST_LEVEL)
    whole_fall = xp.where(accept, c.whole_fall + fall, xp.where(start, zero, c.whole_fall))
    fall = loss_scale.recent_fall(c.fall, fall)
    fall = xp.where(accept, fall, xp.where(start, zero, c.fall))
    loss = xp.where(told, seen.loss, c.loss)
    gradient_norm = xp.where(told, seen.gradient_norm, c.gradient_norm)
    size = zero + seen.size
    unit, factor = loss_scale.change_unit(c.unit, take & no(accept), loss, gradient_norm)
    after = LineSearchControl(
        phase=phases.follow(
            c.phase,
            (
                (resume & no(start), purpose),
                (again, Phase.REPEAT),
                (begin | go_on, Phase.SEARCH),
                (to_verify, LineSearchPhase.VERIFY),
                (to_settle, LineSearchPhase.SETTLE),
                (failed, LineSearchPhase.EXAMINE),
                (give_up, Phase.FAILED),
                (give_up & coarse & finite, Phase.TOO_COARSE),
                (noisy, Phase.NOT_DETERMINISTIC),
                (converged, Phase.CONVERGED),
            ),
        ),
        suspended=xp.where(again, purpose, c.suspended),
        loss=loss * factor,
        gradient_norm=gradient_norm * factor,
        slope=c.slope,
        step=xp.where(stays, step, zero),
        step_size=xp.where(accept, c.step, c.step_size),
        stored=xp.where(start | restart | afresh, zero, c.stored),
        search_evaluations=count,
        evaluations=c.evaluations + 1.0,
        iterations=xp.where(accept, c.iterations + 1.0, c.iterations),
        restarts=xp.where(
            restart | afresh | ((c.evaluations > 0.0) & start), c.restarts + 1.0, c.restarts
        ),
        bracket=bracket,
        unit=unit,
        level=level,
        fall=fall,
        whole_fall=whole_fall,
        stalls=xp.where(afresh, zero, stalls),
        extent=xp.where(accept, xp.maximum(c.extent, size), xp.where(start, size, c.extent)),
        confirming=xp.where(accept & (c.confirming > 0.5) & no(found), -one, c.confirming),
        verified=xp.where(known | ((verify | examine) & repeats), one, zero),
    )
    decision = Decision(
        accept=accept,
        take=take,
        hopeless=hopeless,
        begin=begin,
        afresh=afresh,
        unit_factor=factor,
        step_size=after.step_size,
        loss_change=after.loss - c.loss,
        loss=after.loss,
        stored=after.stored,
    )
    return Transition(after, decision, settings)


def _search(c, seen, settings):
    if not seen.loss_known:
        return gradient_only_line_search.advance(
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
        noise=loss_scale.rounding(c.loss, settings.epsilon),
    )
