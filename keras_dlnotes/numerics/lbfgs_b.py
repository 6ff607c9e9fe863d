"""The L-BFGS-B direction: towards the minimum of the quadratic model between bounds.

R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained
optimization", SIAM J. Sci. Comput. 16 (1995), with the projection of J. L. Morales and J. Nocedal,
ACM TOMS 38 (2011). At the accepted point x with gradient g, the model is

    m(z) = g^T z + z^T B z / 2,    B = theta I - W M W^T,    z = x' - x

The *generalized Cauchy point* is the first local minimum of m on the path P(x - t g), P the
projection into the box; its components at a bound stay there, and the others minimise m and are
projected. The paper walks from one breakpoint of the path to the next. Here the sums that it
updates on the way are running sums over all breakpoints in order, which the three backends compute
at once.

W [n, 2 m] is the history, S the steps and Y the gradient changes, with every pair divided by
sqrt(s^T y), and M the inverse of

    K = | theta S^T S   L  |        L_ij = s_i^T y_j for i later than j, 0 otherwise
        |      L^T     -I  |
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import box as boxes

xp = active.arrays


class Curvature(NamedTuple):
    """The model's matrix B."""

    history: Any  # [2 m, n], S above Y
    scales: Any  # what each of its rows is multiplied by in W, [2 m]
    middle: Any  # K, [2 m, 2 m]
    theta: Any  # a scalar


def curvature(history, steps_steps, steps_changes, theta, stored, memory_size):
    """B of the last min(stored, m) pairs.

    Args:
        history: [2 m, n]; the pair number k lies in rows k mod m and m + k mod m.
        steps_steps: S S^T by row number, [m, m].
        steps_changes: S Y^T by row number, all of it, [m, m].
        theta: y^T y / s^T y of the newest pair, a scalar.
        stored: how many pairs have been stored in all, a 32-bit integer, at least 1.
        memory_size: m.
    """
    m = memory_size
    newest = stored - 1
    number = newest - (newest - xp.arange(m)) % m  # of the pair in each row
    present = number >= 0
    bends = xp.where(present, xp.diagonal(steps_changes), theta * 0.0 + 1.0)
    scale = xp.where(present, 1.0 / xp.square_root(bends), bends * 0.0)
    both = xp.outer(scale, scale)
    # Rows not yet written may hold anything.
    known = both > 0.0
    later = known & (number[:, None] > number[None, :])
    lower = xp.where(later, steps_changes * both, both * 0.0)
    upper_left = xp.where(known, theta * steps_steps * both, both * 0.0)
    upper_left = upper_left + xp.diagonal_matrix(1.0 - xp.cast(present, scale.dtype))
    middle = xp.concatenate(
        [
            xp.transpose(xp.concatenate([upper_left, xp.transpose(lower)])),
            xp.transpose(xp.concatenate([lower, -xp.diagonal_matrix(bends * 0.0 + 1.0)])),
        ]
    )
    return Curvature(history, xp.concatenate([theta * scale, scale]), middle, theta)


def direction(box, point, gradient, model, epsilon):
    """The way x' - x to the minimum x' of the model, [n].

    Args:
        box: A `box.BoxBounds`.
        point: x, between the bounds, [n].
        gradient: g, [n].
        model: A `Curvature`.
        epsilon: The dtype's rounding unit.
    """
    cauchy = cauchy_point(box, point, gradient, model, epsilon)
    return subspace_minimum(box, point, gradient, model, cauchy) - point


def cauchy_point(box, point, gradient, model, epsilon):
    """The generalized Cauchy point (algorithm CP), [n]."""
    down = boxes.descent(box, point, gradient)
    bound = boxes.ahead(box, down)
    times = boxes.step_to_bounds(box, point, down)
    order = xp.ascending(times)
    # Piece k of the path ends where the component order[k] meets its bound; there it has moved by
    # `stopped`. Ahead of piece k, the components from order[k] on still move at their rates.
    ends = xp.take(times, order)
    finite = xp.is_finite(ends)
    starts = xp.where(finite, ends, xp.zeros_like(ends))
    starts = xp.concatenate([xp.zeros_like(starts[:1]), starts[:-1]])
    rates = xp.take(down, order)
    stopped = xp.where(finite, xp.take(bound - point, order), rates * 0.0)
    rows = xp.take(xp.transpose(model.history), order) * model.scales[None, :]  # W, [n, 2 m]
    squares = xp.running_sums(rates * rates, backwards=True)
    ahead = xp.running_sums(rows * rates[:, None], backwards=True)  # p of the paper
    passed = xp.running_sums(rows * stopped[:, None])
    passed = xp.concatenate([xp.zeros_like(passed[:1]), passed[:-1]])  # c without t p
    ones = model.scales * 0.0 + 1.0
    weighed = xp.transpose(xp.solve(model.middle, xp.transpose(ahead)))  # rows M p
    # f' = slope and f'' = bend of the model along the path, at the start of each piece.
    bend = model.theta * squares - xp.matrix_vector(weighed * ahead, ones)
    bend = xp.maximum(bend, epsilon * model.theta * squares)
    slope = starts * bend - squares - xp.matrix_vector(weighed * passed, ones)
    moving = squares > 0.0
    way = -slope / xp.where(moving, bend, squares * 0.0 + 1.0)
    found = moving & ((slope >= 0.0) | (way < ends - starts))
    # Where no piece has a minimum, the path ends with all components at their bounds.
    count = xp.arange(point.shape[0])
    first = xp.least(xp.where(found, count, count * 0 + point.shape[0]))
    some = first < point.shape[0]
    first = xp.where(some, first, first * 0)
    time = xp.take(starts, first) + xp.maximum(xp.take(way, first), model.theta * 0.0)
    reached = (down != 0.0) & xp.is_finite(times) & ((times <= time) | xp.logical_not(some))
    time = xp.where(some, time, time * 0.0)
    return boxes.project(box, xp.where(reached, bound, point + time * down))


def subspace_minimum(box, point, gradient, model, cauchy):
    """The minimum of the model over the components that the Cauchy point leaves free, [n]."""
    history, scales, middle, theta = model

    def inner(vector):
        return scales * xp.matrix_vector(history, vector)  # W^T v

    change = cauchy - point
    free = xp.cast((cauchy > box.low) & (cauchy < box.high), point.dtype)
    weighed = xp.solve(middle, inner(change)[:, None])[:, 0]
    residual = gradient + theta * change - xp.vector_matrix(scales * weighed, history)
    residual = free * residual
    gram = xp.matrix_product(history * free[None, :], xp.transpose(history))
    gram = gram * xp.outer(scales, scales) / theta
    weighed = xp.solve(middle - gram, inner(residual)[:, None])[:, 0]
    step = -residual / theta - free * xp.vector_matrix(scales * weighed, history) / theta**2
    projected = boxes.project(box, cauchy + step)
    # A projection that does not descend is given up for the way to the first bound.
    shorter = boxes.feasible_step(box, cauchy, step, 1.0)
    truncated = boxes.project(box, cauchy + shorter * step)
    descends = xp.dot(projected - point, gradient) < 0.0
    return xp.where(descends, projected, truncated)
