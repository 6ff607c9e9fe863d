"""The step of Newton's method within a ball, whatever the signs of the Hessian's eigenvalues.

    minimise m(p) = g^T p + p^T H p / 2   over   |p| <= Delta

is solved by p = -(H + mu I)^-1 g with mu >= max(0, -lambda_1), lambda_1 the smallest eigenvalue,
and mu (Delta - |p|) = 0 (J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, theorem
4.1). In H's eigenvectors Q, with q = Q^T g, everything is a sum over eigenvalues:

    |p(mu)|^2 = sum_i q_i^2 / (lambda_i + mu)^2
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active

xp = active.arrays


class Step(NamedTuple):
    """A step in the eigenvectors' coordinates, and what the model promises for it."""

    coordinates: Any  # Q^T p, [n]
    length: Any  # |p|
    reduction: Any  # m(0) - m(p)


def decompose(hessian, epsilon):
    """Eigenvalues lambda [n], ascending, and M = D^-1 Q [n, n], with D^-1 H D^-1 = Q lambda Q^T.

    The diagonal D is 1 but for weights of so small a curvature beside the others' that its digits
    would be lost in the decomposition: D <= 1 raises them. How small follows from a matrix with
    equal rows, E^-1 H E^-1 (D. Ruiz, RAL-TR-2001-034, with the 1-norm): D_i^2 is
    E_i^2 / (2500 epsilon max E^2) where that is below 1. Of all rows made equal, networks needed
    twice the steps.
    """
    symmetric = 0.5 * hessian + 0.5 * xp.transpose(hessian)
    ones = symmetric[0] * 0.0 + 1.0
    d = ones
    for _ in range(6):
        sums = xp.matrix_vector(xp.absolute(symmetric), 1.0 / d) / d
        d = d * xp.square_root(xp.where(sums > 0.0, sums, ones))
        d = xp.maximum(d, epsilon**0.5 * xp.largest_magnitude(d))
    d = xp.minimum(d / (50.0 * epsilon**0.5 * xp.largest_magnitude(d)), ones)
    eigenvalues, eigenvectors = xp.eigh(symmetric * xp.outer(1.0 / d, 1.0 / d))
    return eigenvalues, eigenvectors * xp.outer(1.0 / d, ones)


def solve(eigenvalues, projected_gradient, radius, epsilon):
    """The minimiser of the model in the ball.

    Args:
        eigenvalues: lambda of H, ascending, [n].
        projected_gradient: q = Q^T g, [n].
        radius: Delta, a scalar.
        epsilon: The dtype's rounding unit.
    """
    lam, q = eigenvalues, projected_gradient
    zero = radius * 0.0
    size = xp.largest_magnitude(lam)
    # Eigenvalues this close to 0 are rounding: they count as 0 and get no step of their own.
    floor = 10.0 * epsilon * xp.where(size > 0.0, size, zero + 1.0)
    smallest = xp.scalar(lam[0])
    convex = smallest > floor
    gradient_size = xp.square_root(xp.dot(q, q))
    low = xp.where(convex, zero, xp.maximum(zero, -smallest) + floor)

    def length(mu):
        p = q / (lam + mu)
        return xp.square_root(xp.dot(p, p))

    # |p(mu)| falls with mu: bisect log(mu - base) until |p(mu)| = Delta. At `high`, |p| <= Delta.
    base = low
    unconstrained = length(low) <= radius
    upper = gradient_size / radius + floor
    least, most = floor, xp.maximum(upper, 2.0 * floor)
    for _ in range(50):
        middle = xp.square_root(least * most)
        outside = length(base + middle) > radius
        least = xp.where(outside, middle, least)
        most = xp.where(outside, most, middle)
    mu = xp.where(unconstrained, low, base + most)
    p = -q / (lam + mu)
    # The hard case: the gradient has (almost) no part along lambda_1's eigenvector, and the step
    # ends inside the ball though the model falls without end. Go to the edge along it.
    inside = xp.square_root(xp.dot(p, p))
    falling = smallest < -floor
    room = xp.square_root(xp.maximum(radius * radius - inside * inside, zero))
    edge = xp.where(xp.scalar(p[0]) < 0.0, -room, room)
    first = xp.cast(xp.arange(lam.shape[0]) < 1, lam.dtype)
    p = xp.where(falling & (inside < 0.999 * radius), p + first * edge, p)
    reduction = -(xp.dot(q, p) + 0.5 * xp.dot(lam * p, p))
    return Step(p, xp.square_root(xp.dot(p, p)), reduction)


def next_radius(radius, length, ratio):
    """Delta after a step, Nocedal and Wright, algorithm 4.1.

    `ratio` is the loss's reduction over the model's; not a number where the loss was not finite.
    """
    good = ratio > 0.75
    bad = xp.logical_not(ratio >= 0.25)
    at_the_edge = length > 0.9 * radius
    radius = xp.where(good & at_the_edge, 2.0 * radius, radius)
    return xp.where(bad, 0.25 * length, radius)
