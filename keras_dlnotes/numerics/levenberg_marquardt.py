"""Levenberg-Marquardt's step from a factor of the Gauss-Newton matrix, for many radii at once.

With a factor F [r, n], a target t [r] and the rest of the gradient v [n], the loss's model is

    m(p) = |F p + t|^2 / 2 + v^T p,   F^T F the Gauss-Newton matrix,   F^T t + v the gradient g

and the step is its minimum over |D p| <= Delta, with a diagonal D that makes the method independent
of the weights' units: D_j is the largest length that column j of F has had (J. More, The
Levenberg-Marquardt algorithm: implementation and theory, 1978, section 6). With the singular value
decomposition F D^-1 = U S V^T everything is a sum over singular values:

    p(mu) = -D^-1 V z,   z_i = s_i q_i / (s_i^2 + mu),   q = U^T t + S^-1 V^T D^-1 v

F itself is decomposed, not F^T F, which would lose half of the digits.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active

xp = active.arrays
# The largest 2 |D a| / |D p| of an accelerated step.
_MOST_BENT = 0.75


class Model(NamedTuple):
    """The model of the loss around a point, in singular coordinates."""

    singular_values: Any  # s, descending, [r]
    directions: Any  # V^T D^-1, [r, n]
    target: Any  # q, 0 where s counts as 0, [r]


class Ladder(NamedTuple):
    """Steps of falling length from one point, the first of the radius, each half of the last."""

    steps: Any  # [count, n]
    lengths: Any  # |D p|, [count]
    promises: Any  # m(0) - m(p), [count]
    dampings: Any  # mu, [count]


def scale_of(lengths):
    """D [n] from the largest lengths of the factor's columns so far; 1 where they were all 0."""
    return xp.where(lengths > 0.0, lengths, lengths * 0.0 + 1.0)


def column_lengths(matrix):
    """The lengths of a matrix's columns, [n]."""
    return xp.square_root(xp.vector_matrix(matrix[:, 0] * 0.0 + 1.0, matrix * matrix))


def decompose(factor, target, rest, scale, epsilon):
    """The model in singular coordinates.

    Args:
        factor: F, [r, n].
        target: t, [r].
        rest: v, [n].
        scale: D, [n].
        epsilon: The dtype's rounding unit.
    """
    ones = target * 0.0 + 1.0
    left, s, right = xp.singular_values(factor / xp.outer(ones, scale))
    unit = s * 0.0 + 1.0
    directions = right / xp.outer(unit, scale)
    # Singular values this small are rounding: no step along them.
    known = s > epsilon * float(factor.shape[1]) * xp.largest_magnitude(s)
    q = xp.vector_matrix(target, left) + xp.matrix_vector(directions, rest) / xp.where(
        known, s, unit
    )
    return Model(s, directions, xp.where(known, q, q * 0.0))


def full_length(model):
    """|D p| of the model's own minimum, mu = 0."""
    z = _coordinates(model, xp.zeros_like(model.target[:1]))
    return xp.square_root(xp.dot(z[0], z[0]))


def ladder(model, radius, count, epsilon):
    """The minimum in the ball |D p| <= radius, and in balls of 1/2, 1/4, ... of its length.

    The model's own minimum is met exactly, other lengths to two hundredths, from below.

    Args:
        model: A `Model`.
        radius: Delta, a scalar.
        count: How many steps.
        epsilon: The dtype's rounding unit.
    """
    whole = full_length(model)
    length = xp.minimum(radius, whole)
    radii = xp.stack([length * 0.5**k for k in range(count)])
    s, ones = model.singular_values, model.target * 0.0 + 1.0

    def lengths(mu):
        z = _coordinates(model, mu)
        return xp.square_root(xp.matrix_vector(z * z, ones))

    # |z(mu)| falls with mu: bisect log(mu). At `most`, |z| <= radius.
    most = xp.square_root(xp.dot(s * model.target, s * model.target)) / radii
    least = epsilon**2 * most
    for _ in range(13):
        middle = xp.square_root(least) * xp.square_root(most)
        outside = lengths(middle) > radii
        least = xp.where(outside, middle, least)
        most = xp.where(outside, most, middle)
    mu = xp.where(radii >= whole, radii * 0.0, most)
    z = _coordinates(model, mu)
    # m(0) - m(p) = sum z (s q - s^2 z / 2), written without a difference: s q = (s^2 + mu) z.
    curved = xp.outer(mu * 0.0 + 0.5, s * s) + xp.outer(mu, ones)
    return Ladder(
        steps=-xp.matrix_product(z, model.directions),
        lengths=xp.square_root(xp.matrix_vector(z * z, ones)),
        promises=xp.matrix_vector(z * z * curved, ones),
        dampings=mu,
    )


def accelerated(model, found, bend, epsilon):
    """The ladder with its first step followed to the second order along the curve of steps.

    With o'' the second derivative of the outputs along the step p, the minimum of the model with
    outputs o + J p + o''/2 is at p + a/2 to the next order, a = -(F^T F + mu D^2)^-1 bend. Where
    2 |D a| > 0.75 |D p| the curve bends too much for that, and the step stays (M. Transtrum and
    J. Sethna, Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares
    minimization, 2012, arXiv:1201.5885, equations 13 and 15).

    Args:
        model: A `Model`.
        found: The `Ladder` from it.
        bend: J^T (d^2 L / do^2) o'', [n].
        epsilon: The dtype's rounding unit.

    Returns:
        A `Ladder` with the same lengths and promises.
    """
    s = model.singular_values
    below = s * s + found.dampings[0]
    # Dividing by less than this would amplify the rounding of `bend`.
    known = below > epsilon * xp.largest_magnitude(s) ** 2
    along = xp.matrix_vector(model.directions, bend)
    along = xp.where(known, along / xp.where(known, below, below + 1.0), along * 0.0)
    bent = 2.0 * xp.square_root(xp.dot(along, along))
    first = found.steps[0]
    change = -0.5 * xp.vector_matrix(along, model.directions)
    is_small = bent <= _MOST_BENT * xp.scalar(found.lengths[0])
    first = first + xp.where(is_small, change, xp.zeros_like(change))
    return found._replace(steps=xp.concatenate([xp.reshape(first, (1, -1)), found.steps[1:]]))


def _coordinates(model, mu):
    """Z [count, r] for dampings mu [count]."""
    s = model.singular_values
    below = xp.outer(mu * 0.0 + 1.0, s * s) + xp.outer(mu, s * 0.0 + 1.0)
    return xp.outer(mu * 0.0 + 1.0, s * model.target) / xp.where(below > 0.0, below, below + 1.0)


def next_radius(radius, length, own_minimum, ratio, change, slope, finite):
    """Delta after a step, as MINPACK's `lmder` has it.

    Args:
        radius: Delta of the step.
        length: |D p|.
        own_minimum: Whether the step was to the model's own minimum, inside of the ball.
        ratio: The loss's reduction over the model's.
        change: The loss's change L(w + p) - L(w).
        slope: g^T p < 0.
        finite: Whether the loss was finite.
    """
    # The minimum of the parabola through the loss, its slope and the new loss.
    curved = change - slope > 0.0
    parabola = -0.5 * slope / xp.where(curved, change - slope, radius * 0.0 + 1.0)
    shrink = xp.where(change <= 0.0, radius * 0.0 + 0.5, parabola)
    shrink = xp.where(finite & curved, shrink, radius * 0.0 + 0.1)
    shrink = xp.minimum(xp.maximum(shrink, radius * 0.0 + 0.1), radius * 0.0 + 0.5)
    grown = xp.where((ratio >= 0.75) | own_minimum, 2.0 * length, radius)
    return xp.where(ratio > 0.25, grown, shrink * xp.minimum(radius, 10.0 * length))


def rung(lengths, radius):
    """The index of the first of falling lengths that fits the radius; their count if none does."""
    return lengths.shape[0] - _count_of(lengths <= radius * 1.000001, lengths.dtype)


def _count_of(booleans, dtype):
    numbers = xp.cast(booleans, dtype)
    return xp.dot(numbers, numbers)
