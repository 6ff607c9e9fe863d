"""The phases of a second-order method: what the evaluation that is under way is for.

A method evaluates the loss at one point a training step. Between two evaluations it remembers its
phase, a number in its state, which saved files hold. `Phase` has the phases that every method has;
each method adds phases of its own, whose numbers `Phase` leaves free.
"""

import enum
from typing import Any, NamedTuple

from keras_dlnotes.backend import active

xp = active.arrays


class Phase(enum.IntEnum):
    """The phases of every method."""

    START = 0  # at new weights: they become the first accepted point
    SEARCH = 2  # at a trial point
    RESUME = 5  # at the accepted point because someone put it back (the end of `fit`)
    CONVERGED = 6
    FAILED = 7
    NOT_DETERMINISTIC = 8
    REPEAT = 9  # at the accepted point: the last evaluation was not finite where it has to be
    TOO_COARSE = 10  # as FAILED, and the loss was the same at points that should have differed


class LineSearchPhase(enum.IntEnum):
    """What a line search adds."""

    VERIFY = 1  # once more at the first point: does the objective repeat itself?
    SETTLE = 3  # at the best step of a search that ran out of evaluations
    EXAMINE = 4  # at the accepted point after a failed search: noise, or nothing left to gain?


class NewtonPhase(enum.IntEnum):
    """What `Newton` adds."""

    VERIFY = 1  # once more at the first point: does the objective repeat itself?


class NewtonCGPhase(enum.IntEnum):
    """What `NewtonCG` adds."""

    MULTIPLY = 1  # at the accepted point, for a product with the Hessian there


class GaussNewtonPhase(enum.IntEnum):
    """What `GaussNewton` adds."""

    FORM = 1  # at the accepted point: does the objective repeat itself? And for a new Jacobian
    COUPLED = 11  # the gradient is not the sum of what the examples contribute one by one


SEARCHING = "searching"
NOT_FINITE = "not finite"
# The words for phases in which nothing is being searched.
_STATUS: dict[int, str] = {
    Phase.START: "not started",
    Phase.CONVERGED: "converged",
    Phase.NOT_DETERMINISTIC: "not deterministic",
    Phase.REPEAT: NOT_FINITE,
    Phase.TOO_COARSE: "loss too coarse",
    GaussNewtonPhase.COUPLED: "examples not independent",
}


def status(phase):
    """The word for a phase, a whole number; each method has its own for `Phase.FAILED`."""
    return _STATUS.get(phase, SEARCHING)


def is_under_way(phase):
    """Whether a search goes on in this phase, a whole number, and nobody has interrupted it."""
    return phase == Phase.SEARCH or phase not in {*Phase, GaussNewtonPhase.COUPLED}


def is_phase(control, *phases):
    """Whether the control is in one of these phases."""
    result = control.phase == float(phases[0])
    for phase in phases[1:]:
        result = result | (control.phase == float(phase))
    return result


class Points(NamedTuple):
    """The vectors that every method remembers, [n] each."""

    accepted_point: Any
    accepted_gradient: Any
    trial_point: Any


class Arrival(NamedTuple):
    """How an evaluation continues what was under way."""

    purpose: Any  # the phase that the evaluation belongs to, whatever has come between
    resume: Any  # boolean: at the accepted point, since someone put it back or it is repeated
    idle: Any  # boolean: nothing was under way
    start: Any  # boolean: everything begins anew from the weights seen


def arrive(control, at_trial, at_accepted, finite, repeats):
    """What an evaluation is for, from where it was taken and whether it repeats the accepted one.

    Args:
        control: Has `phase` and `suspended`, the phase to go back to from RESUME and REPEAT.
        at_trial: Whether the weights are the trial point, a boolean scalar, as are all of these.
        at_accepted: Whether they are the accepted point.
        finite: Whether all that was computed there is finite.
        repeats: Whether the loss is that of the accepted point.
    """
    no = xp.logical_not
    put_back = no(at_trial) & at_accepted & no(is_phase(control, Phase.START))
    back = is_phase(control, Phase.RESUME, Phase.REPEAT)
    resume = put_back | back
    purpose = xp.where(back, control.suspended, control.phase)
    due = control._replace(phase=purpose)
    idle = is_phase(due, Phase.CONVERGED, Phase.FAILED, Phase.TOO_COARSE)
    idle = idle | is_phase(due, GaussNewtonPhase.COUPLED)
    # Another objective (new data, a second `fit`), or somebody has moved the weights.
    start = is_phase(control, Phase.START) | (no(at_trial) & no(at_accepted))
    start = start | ((resume | idle) & finite & no(repeats))
    start = start | (resume & is_phase(due, Phase.NOT_DETERMINISTIC) & finite)
    return Arrival(purpose=purpose, resume=resume, idle=idle, start=start)


def follow(phase, transitions):
    """The phase after these pairs of a condition and the phase that follows; the last counts."""
    for condition, following in transitions:
        number = float(following) if isinstance(following, int) else following
        phase = xp.where(condition, number + phase * 0.0, phase)
    return phase
