"""A line search that sees gradients only, for where the loss cannot be had.

phi'(a) is the slope of the loss along the search direction. A step is accepted under Hager and
Zhang's approximate Wolfe conditions (SIAM J. Optim. 16 (2005), equation (4.1)),

    (2 c1 - 1) phi'(0) >= phi'(a) >= c2 phi'(0),

which on a quadratic are the Wolfe conditions themselves. The step is found as a zero of phi': by
the secant through two slopes, safeguarded inside the interval on which phi' changes sign.
It shares `Bracket` and `SearchResult` with the search that sees the loss; the losses in it stay 0.
"""

from keras_dlnotes.backend import active
from keras_dlnotes.numerics.more_thuente import SearchResult

xp = active.arrays


def advance(bracket, step, slope, *, slope_0, sufficient_decrease, curvature, tolerance):
    """One evaluation: phi'(step) `slope`, finite; `slope_0` is phi'(0) < 0.

    `best_step` is the largest step known to lie before the minimiser (phi' < 0), `other_step`,
    once `bracketed`, the smallest known to lie beyond it.
    """
    b = bracket
    zero = step * 0.0
    accepted = (slope >= curvature * slope_0) & (
        slope <= (2.0 * sufficient_decrease - 1.0) * slope_0
    )
    before = slope < 0.0
    at_the_end = before & (step >= b.longest_step)
    was_bracketed = b.bracketed > 0.5
    bracketed = was_bracketed | xp.logical_not(before)

    # Extrapolate by the secant, at least 1.1 and at most 4 times the last stretch beyond here.
    stretch = step - b.best_step
    beyond = stretch * (-slope) / (slope - b.best_slope)
    curved = (slope > b.best_slope) & xp.is_finite(beyond)
    beyond = xp.where(curved, beyond, 4.0 * stretch)
    beyond = xp.minimum(xp.maximum(beyond, 1.1 * stretch), 4.0 * stretch)

    best_step = xp.where(before, step, b.best_step)
    best_slope = xp.where(before, slope, b.best_slope)
    other_step = xp.where(before, b.other_step, step)
    other_slope = xp.where(before, b.other_slope, slope)

    # Interpolate by the secant, never nearer to an end than a tenth; every other time that the
    # interval has not shrunk by a third, in its middle.
    width = other_step - best_step
    secant = best_step + width * (-best_slope) / (other_slope - best_slope)
    secant = xp.minimum(xp.maximum(secant, best_step + 0.1 * width), other_step - 0.1 * width)
    middle = best_step + 0.5 * width
    slow = was_bracketed & (width >= 0.66 * b.previous_width)
    inside = xp.where(slow | xp.logical_not(xp.is_finite(secant)), middle, secant)

    next_step = xp.where(bracketed, inside, xp.minimum(step + beyond, b.longest_step))
    closed = was_bracketed & (b.other_step - b.best_step <= tolerance * 1e-6 * b.other_step)
    moved = b._replace(
        bracketed=xp.where(bracketed, zero + 1.0, zero),
        best_step=best_step,
        best_slope=best_slope,
        other_step=other_step,
        other_slope=other_slope,
        width=xp.where(bracketed, width, b.width),
        previous_width=xp.where(was_bracketed, b.width, b.previous_width),
    )
    accepted = accepted | at_the_end
    return SearchResult(next_step, accepted, closed & xp.logical_not(accepted), moved)
