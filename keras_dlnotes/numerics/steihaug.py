"""Conjugate gradients inside a ball, one Hessian-vector product at a time.

J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, algorithm 7.2 (CG-Steihaug): the
iterates z of conjugate gradients on H z = -g, until the residual is small enough, until z would
leave the ball |z| <= Delta, or until a direction d shows curvature d^T H d <= 0; the last two end
on the ball's edge along d.
"""

from typing import Any, NamedTuple

from keras_dlnotes.backend import active

xp = active.arrays


class State(NamedTuple):
    """Where the inner iteration is: z [n], r = g + H z [n], d [n]."""

    iterate: Any
    residual: Any
    direction: Any


def start(gradient):
    """The state before the first product; the product to be formed is H `direction`."""
    return State(gradient * 0.0, gradient, -gradient)


def advance(state, product, radius, tolerance):
    """The state after one product H d, and whether z is final.

    Args:
        state: A `State`.
        product: H d, [n].
        radius: Delta, a scalar.
        tolerance: The residual's size at which z is good enough, a scalar.
    """
    z, r, d = state
    d_h_d = xp.dot(d, product)
    r_r = xp.dot(r, r)
    # Relative to the lengths: a curvature that is only rounding is none.
    curved = d_h_d > 0.0
    alpha = xp.where(curved, r_r / xp.where(curved, d_h_d, d_h_d * 0.0 + 1.0), r_r * 0.0)
    further = z + alpha * d
    leaves = xp.dot(further, further) >= radius * radius
    to_edge = leaves | xp.logical_not(curved)
    # tau >= 0 with |z + tau d| = Delta.
    z_d, d_d, z_z = xp.dot(z, d), xp.dot(d, d), xp.dot(z, z)
    d_d = xp.where(d_d > 0.0, d_d, d_d * 0.0 + 1.0)
    root = xp.square_root(xp.maximum(z_d * z_d + d_d * (radius * radius - z_z), z_d * 0.0))
    tau = (root - z_d) / d_d
    step = xp.where(to_edge, tau, alpha)
    z, r = z + step * d, r + step * product
    new_r_r = xp.dot(r, r)
    beta = new_r_r / xp.where(r_r > 0.0, r_r, r_r * 0.0 + 1.0)
    final = to_edge | (new_r_r <= tolerance * tolerance)
    return State(z, r, -r + beta * d), final


def reduction(state, gradient):
    """What the model promises, m(0) - m(z) = -(g + r)^T z / 2, as r = g + H z."""
    return -0.5 * xp.dot(gradient + state.residual, state.iterate)
