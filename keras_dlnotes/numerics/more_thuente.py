"""Moré and Thuente's line search as a state machine: one evaluation in, the next trial step out.

J. J. Moré and D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM
TOMS 20 (1994), in the reverse-communication form of MINPACK-2's `dcsrch` and `dcstep`. Nothing
here branches on a value: the same code runs eagerly, in a TensorFlow graph, under XLA and in JAX.

phi(a) = L(w + a p) is the loss along the search direction p, and

    phi(a)    <= phi(0) + c1 a phi'(0)       sufficient decrease     (W1)
    |phi'(a)| <= c2 |phi'(0)|                curvature               (W2)

are the strong Wolfe conditions, with c1 `sufficient_decrease` and c2 `curvature`.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active

xp = active.arrays

# The trial step may not leave the bracket's better end by more than these factors (dcsrch).
_LEAST_EXTRAPOLATION, _MOST_EXTRAPOLATION = 1.1, 4.0


class Bracket(NamedTuple):
    """What the search remembers between evaluations, every field a scalar.

    Symbols of the paper: `best_step` is stx, `best_loss` fx, `best_slope` gx; `other_step`, ... are
    sty, fy, gy; `lower` and `upper` are stmin and stmax; `width` and `previous_width` are the
    interval's lengths one and two evaluations ago. `bracketed` and `second_stage` are 0 or 1.
    `longest_step` is stpmax: it shrinks when an evaluation returns something that is not finite.
    """

    bracketed: Any
    second_stage: Any
    best_step: Any
    best_loss: Any
    best_slope: Any
    other_step: Any
    other_loss: Any
    other_slope: Any
    lower: Any
    upper: Any
    width: Any
    previous_width: Any
    longest_step: Any


class SearchResult(NamedTuple):
    """The next step to try, or that the one evaluated is good, or that the search is stuck."""

    step: Any
    accepted: Any  # (W1) and (W2), or their approximate form, hold at the step just evaluated
    stuck: Any  # the interval has closed without such a step
    bracket: Bracket


def choose(condition, when_true, when_false):
    """`where` over every field of two brackets."""
    return Bracket(*(xp.where(condition, a, b) for a, b in zip(when_true, when_false, strict=True)))


def start(loss, slope, step, longest_step):
    """The bracket before the first evaluation: phi(0) `loss`, phi'(0) `slope`, first trial step."""
    zero = step * 0.0
    return Bracket(
        bracketed=zero,
        second_stage=zero,
        best_step=zero,
        best_loss=loss,
        best_slope=slope,
        other_step=zero,
        other_loss=loss,
        other_slope=slope,
        lower=zero,
        upper=step + _MOST_EXTRAPOLATION * step,
        width=longest_step,
        previous_width=2.0 * longest_step,
        longest_step=longest_step,
    )


def advance(
    bracket, step, loss, slope, *, loss_0, slope_0, sufficient_decrease, curvature, tolerance, noise
):
    """One evaluation: phi(step) `loss` and phi'(step) `slope`, both finite.

    `tolerance` is dcsrch's xtol, the relative width at which a bracket counts as closed. `noise` is
    how much of a difference in the loss is rounding: within it, Hager and Zhang's approximate
    Wolfe conditions, (2 c1 - 1) phi'(0) >= phi'(a) >= c2 phi'(0), are accepted for (W1) and (W2).
    """
    b = bracket
    slope_test = sufficient_decrease * slope_0
    loss_test = loss_0 + step * slope_test
    enough = loss <= loss_test
    second_stage = (b.second_stage > 0.5) | (enough & (slope >= 0.0))
    bracketed = b.bracketed > 0.5

    wolfe = enough & (xp.absolute(slope) <= -curvature * slope_0)
    approximate = (
        (loss <= loss_0 + noise)
        & (slope >= curvature * slope_0)
        & (slope <= (2.0 * sufficient_decrease - 1.0) * slope_0)
    )
    closed = bracketed & (
        (step <= b.lower) | (step >= b.upper) | (b.upper - b.lower <= tolerance * b.upper)
    )
    # At the longest step with the loss still falling there is nothing further to find: take it.
    at_the_end = (step >= b.longest_step) & enough & (slope <= slope_test)
    accepted = wolfe | approximate | at_the_end

    # In the first stage, psi(a) = phi(a) - phi(0) - c1 a phi'(0) steers instead of phi.
    use_psi = xp.logical_not(second_stage) & (loss <= b.best_loss) & xp.logical_not(enough)
    tilt = xp.where(use_psi, slope_test, slope_test * 0.0)
    moved, next_step = _interpolate(
        b._replace(
            best_loss=b.best_loss - b.best_step * tilt,
            best_slope=b.best_slope - tilt,
            other_loss=b.other_loss - b.other_step * tilt,
            other_slope=b.other_slope - tilt,
        ),
        step,
        loss - step * tilt,
        slope - tilt,
    )
    moved = moved._replace(
        best_loss=moved.best_loss + moved.best_step * tilt,
        best_slope=moved.best_slope + tilt,
        other_loss=moved.other_loss + moved.other_step * tilt,
        other_slope=moved.other_slope + tilt,
        second_stage=xp.where(second_stage, slope * 0.0 + 1.0, slope * 0.0),
    )
    bracketed = moved.bracketed > 0.5
    width = xp.absolute(moved.other_step - moved.best_step)
    middle = moved.best_step + 0.5 * (moved.other_step - moved.best_step)
    # Bisect when the interval has not shrunk by a third in two evaluations.
    slow = bracketed & (width >= 0.66 * b.previous_width)
    next_step = xp.where(slow, middle, next_step)
    lower = xp.where(
        bracketed,
        xp.minimum(moved.best_step, moved.other_step),
        next_step + _LEAST_EXTRAPOLATION * (next_step - moved.best_step),
    )
    upper = xp.where(
        bracketed,
        xp.maximum(moved.best_step, moved.other_step),
        next_step + _MOST_EXTRAPOLATION * (next_step - moved.best_step),
    )
    next_step = xp.where(xp.is_finite(next_step), next_step, middle)
    next_step = xp.minimum(xp.maximum(next_step, step * 0.0), b.longest_step)
    hopeless = bracketed & (
        (next_step <= lower) | (next_step >= upper) | (upper - lower <= tolerance * upper)
    )
    # The bracket is closed: evaluate its better end, whose gradient has to be seen to move there.
    next_step = xp.where(hopeless, moved.best_step, next_step)
    moved = moved._replace(
        lower=lower,
        upper=upper,
        width=xp.where(bracketed, width, b.width),
        previous_width=xp.where(bracketed, b.width, b.previous_width),
    )
    return SearchResult(next_step, accepted, closed & xp.logical_not(accepted), moved)


def retreat(bracket, step):
    """The trial step after an evaluation that was not finite: a tenth of the way from the best."""
    way = step - bracket.best_step
    shorter = bracket.best_step + 0.1 * way
    longest = bracket.best_step + 0.5 * way
    limited = bracket._replace(
        longest_step=xp.where(way > 0.0, longest, bracket.longest_step),
        upper=xp.minimum(bracket.upper, xp.maximum(longest, bracket.best_step)),
    )
    return shorter, limited


def _interpolate(b, step, loss, slope):
    """dcstep: the safeguarded cubic or quadratic step, and the interval with this trial in it."""
    zero = step * 0.0
    back = b.best_step - step  # stx - stp
    higher = loss > b.best_loss
    opposite = slope * xp.where(b.best_slope < 0.0, zero - 1.0, zero + 1.0) < 0.0
    flatter = xp.absolute(slope) < xp.absolute(b.best_slope)
    bracketed = b.bracketed > 0.5

    # The cubic through both ends' losses and slopes; the three cases share theta, s and gamma.
    theta = 3.0 * (b.best_loss - loss) / (step - b.best_step) + b.best_slope + slope
    gamma = _gamma(theta, b.best_slope, slope)
    gamma = xp.where(step < b.best_step, -gamma, gamma)
    # Case 1, a higher loss: towards the best step, by the cubic or half-way to the quadratic.
    ratio = ((gamma - b.best_slope) + theta) / (((gamma - b.best_slope) + gamma) + slope)
    cubic_1 = b.best_step - ratio * back
    chord = (b.best_loss - loss) / (step - b.best_step) + b.best_slope
    quadratic = b.best_step - (b.best_slope / chord) / 2.0 * back
    nearer = xp.absolute(cubic_1 - b.best_step) <= xp.absolute(quadratic - b.best_step)
    case_1 = xp.where(nearer, cubic_1, cubic_1 + (quadratic - cubic_1) / 2.0)
    # Case 2, slopes of opposite sign: the cubic or the secant, whichever is farther from here.
    gamma = -gamma
    ratio = ((gamma - slope) + theta) / (((gamma - slope) + gamma) + b.best_slope)
    cubic = step + ratio * back
    secant = step + slope / (slope - b.best_slope) * back
    farther = xp.absolute(cubic - step) > xp.absolute(secant - step)
    case_2 = xp.where(farther, cubic, secant)
    # Case 3, a flatter slope of the same sign: the cubic only if its minimum lies beyond.
    ratio_3 = ((gamma - slope) + theta) / ((gamma + (b.best_slope - slope)) + gamma)
    outward = xp.where(step > b.best_step, b.upper, b.lower)
    cubic_3 = xp.where((ratio_3 < 0.0) & (gamma != 0.0), step + ratio_3 * back, outward)
    farther = xp.absolute(cubic_3 - step) > xp.absolute(secant - step)
    free = xp.where(farther, cubic_3, secant)
    free = xp.minimum(xp.maximum(free, b.lower), b.upper)
    inside = xp.where(xp.absolute(cubic_3 - step) < xp.absolute(secant - step), cubic_3, secant)
    most = step + 0.66 * (b.other_step - step)
    inside = xp.where(step > b.best_step, xp.minimum(most, inside), xp.maximum(most, inside))
    case_3 = xp.where(bracketed, inside, free)
    # Case 4, a slope no flatter: the cubic through the other end, or as far as allowed.
    theta_4 = 3.0 * (loss - b.other_loss) / (b.other_step - step) + b.other_slope + slope
    gamma_4 = _gamma(theta_4, b.other_slope, slope)
    gamma_4 = xp.where(step > b.other_step, -gamma_4, gamma_4)
    ratio_4 = ((gamma_4 - slope) + theta_4) / (((gamma_4 - slope) + gamma_4) + b.other_slope)
    case_4 = xp.where(bracketed, step + ratio_4 * (b.other_step - step), outward)

    next_step = xp.where(
        higher, case_1, xp.where(opposite, case_2, xp.where(flatter, case_3, case_4))
    )
    best_becomes_other = xp.logical_not(higher) & opposite
    return b._replace(
        bracketed=xp.where(higher | opposite, zero + 1.0, b.bracketed),
        best_step=xp.where(higher, b.best_step, step),
        best_loss=xp.where(higher, b.best_loss, loss),
        best_slope=xp.where(higher, b.best_slope, slope),
        other_step=xp.where(higher, step, xp.where(best_becomes_other, b.best_step, b.other_step)),
        other_loss=xp.where(higher, loss, xp.where(best_becomes_other, b.best_loss, b.other_loss)),
        other_slope=xp.where(
            higher, slope, xp.where(best_becomes_other, b.best_slope, b.other_slope)
        ),
    ), next_step


def _gamma(theta, first, second):
    """The cubic's discriminant sqrt(theta^2 - first second), scaled by the largest magnitude."""
    s = xp.maximum(xp.absolute(theta), xp.maximum(xp.absolute(first), xp.absolute(second)))
    s = xp.where(s > 0.0, s, s * 0.0 + 1.0)
    inner = (theta / s) * (theta / s) - (first / s) * (second / s)
    return s * xp.square_root(xp.maximum(inner, inner * 0.0))
