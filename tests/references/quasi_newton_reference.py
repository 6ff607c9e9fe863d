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


def published_update(h_old, s, y, alpha, g, kind):
    """H_new, tau and phi as Urbán et al. print them; v with its square root of y^T H y.

    Symbols: alpha the step size, g the gradient before the step; b_k, h_k, a_k, c_k, rho_k^-,
    theta_k^-, theta_k^+, theta_k, sigma_k, tau_k, phi_k as in their section on self-scaling.
    """
    n = len(s)
    hy = h_old @ y
    v = np.sqrt(y @ hy) * (s / (y @ s) - hy / (y @ hy))
    b = -alpha * (s @ g) / (y @ s)
    h = (y @ hy) / (y @ s)
    tau, phi = 1.0, 1.0
    if kind == "ssbfgs":
        tau = min(1.0, (y @ s) / (-alpha * (s @ g)))
    if kind == "ssbroyden":
        a = h * b - 1.0
        c = np.sqrt(a / (a + 1.0))
        rho_minus = min(1.0, h * (1.0 - c))
        theta_minus = (rho_minus - 1.0) / a
        theta_plus = 1.0 / rho_minus
        theta = max(theta_minus, min(theta_plus, (1.0 - b) / b))
        sigma = 1.0 + theta * a
        rho = min(1.0, 1.0 / b)
        if theta > 0:
            tau = rho * min(sigma ** (-1.0 / (n - 1)), 1.0 / theta)
        else:
            tau = min(rho * sigma ** (-1.0 / (n - 1)), sigma)
        phi = (1.0 - theta) / (1.0 + a * theta)
    h_new = (h_old - np.outer(hy, hy) / (y @ hy) + phi * np.outer(v, v)) / tau
    return h_new + np.outer(s, s) / (y @ s), tau, phi
