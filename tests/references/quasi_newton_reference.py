"""Quasi-Newton formulas in plain NumPy, as the books print them.

Symbols: `steps` holds s_k = w_{k+1} - w_k and `changes` y_k = g_{k+1} - g_k, oldest first;
rho_k = 1 / s_k^T y_k; H is the approximation of the inverse Hessian, B of the Hessian.
"""

import numpy as np


def two_loop_direction(gradient, steps, changes):
    """-H g by Nocedal and Wright, algorithm 7.4, with H_0 = (s^T y / y^T y) I, equation (7.20)."""
    q = gradient.copy()
    alphas = []
    for s, y in zip(reversed(steps), reversed(changes), strict=True):
        alpha = (s @ q) / (s @ y)
        q = q - alpha * y
        alphas.append(alpha)
    s, y = steps[-1], changes[-1]
    r = (s @ y) / (y @ y) * q
    for s, y, alpha in zip(steps, changes, reversed(alphas), strict=True):
        beta = (y @ r) / (s @ y)
        r = r + s * (alpha - beta)
    return -r


def dense_inverse_hessian(steps, changes):
    """H by applying the BFGS update, Nocedal and Wright equation (6.17), pair by pair."""
    s, y = steps[-1], changes[-1]
    identity = np.eye(len(s))
    h = (s @ y) / (y @ y) * identity
    for s, y in zip(steps, changes, strict=True):
        rho = 1.0 / (s @ y)
        left = identity - rho * np.outer(s, y)
        h = left @ h @ left.T + rho * np.outer(s, s)
    return h
