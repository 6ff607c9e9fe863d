"""Levenberg-Marquardt in plain NumPy, from the normal equations, for sums of squares.

J. More (1978) and MINPACK's `lmder`: x the weights, r the residuals [m], J their Jacobian [m, n],
f = |r|^2 / 2, D the largest lengths of J's columns so far, Delta the radius, lambda the damping.
"""

import numpy as np


def damped_step(jacobian, gradient, scale, radius):
    """p = -(J^T J + lambda D^2)^-1 g with |D p| <= radius, and lambda, by the same bisection."""
    normal, square = jacobian.T @ jacobian, np.diag(scale**2)

    def step(damping):
        return -np.linalg.solve(normal + damping * square, gradient)

    def length(damping):
        return np.linalg.norm(scale * step(damping))

    if length(0.0) <= radius * (1.0 + 1e-12):
        return step(0.0), 0.0
    most = np.linalg.norm(gradient / scale) / radius
    least = np.finfo("float64").eps ** 2 * most
    for _ in range(13):
        middle = np.sqrt(least * most)
        least, most = (middle, most) if length(middle) > radius else (least, middle)
    return step(most), most


def promise(jacobian, gradient, step):
    """m(0) - m(p)."""
    moved = jacobian @ step
    return -(gradient @ step) - 0.5 * moved @ moved


def accelerated(residuals, x, jacobian, scale, step, damping, reach=0.25):
    """P + a / 2, or p where the curve bends too much: equations 13 and 15 of Transtrum (2012)."""
    ahead, behind = residuals(x + reach * step), residuals(x - reach * step)
    second = (ahead - 2.0 * residuals(x) + behind) / reach**2
    normal = jacobian.T @ jacobian + damping * np.diag(scale**2)
    a = -np.linalg.solve(normal, jacobian.T @ second)
    bends = 2.0 * np.linalg.norm(scale * a) > 0.75 * np.linalg.norm(scale * step)
    return step if bends else step + 0.5 * a


def iterates(residuals, jacobian, start, count, initial_radius=1.0, acceleration=False):
    """The accepted points, and the numbers of evaluations at which they were accepted.

    For residuals that stay far above rounding: where the loss cannot tell a step, the method has
    further rules.
    """
    x = np.array(start, "float64")
    r, j = residuals(x), jacobian(x)
    lengths = np.linalg.norm(j, axis=0)
    radius = initial_radius * np.linalg.norm(lengths * x)
    points, evaluations, first = [], 2, True  # the start is evaluated twice
    while len(points) < count:
        g = j.T @ r
        whole = np.linalg.norm(lengths * damped_step(j, g, lengths, np.inf)[0])
        length = min(radius, whole)
        ladder = [damped_step(j, g, lengths, length * 0.5**k) for k in range(11)]
        steps = [p for p, _ in ladder]
        sizes = [np.linalg.norm(lengths * p) for p in steps]
        promises = [promise(j, g, p) for p in steps]
        slopes = [g @ p for p in steps]
        if acceleration:
            steps[0] = accelerated(residuals, x, j, lengths, *ladder[0])
            slopes[0] = min(g @ steps[0], -promises[0])
        if first:
            radius, first = min(radius, sizes[0]), False
        rung = 0
        while True:
            p, size = steps[rung], sizes[rung]
            trial = residuals(x + p)
            evaluations += 1
            change = 0.5 * (trial @ trial - r @ r)
            ratio = -change / promises[rung]
            if ratio > 0.25:
                if ratio >= 0.75 or size >= 0.999 * whole:
                    radius = 2.0 * size
            else:
                slope = slopes[rung]
                shrink = 0.5 if change <= 0.0 else 0.5 * slope / (slope - change)
                radius = np.clip(shrink, 0.1, 0.5) * min(radius, 10.0 * size)
            if ratio > 1e-4:
                break
            fits = [k for k in range(rung + 1, 11) if sizes[k] <= radius * 1.000001]
            rung = fits[0]
            radius = sizes[rung]
        x, r = x + p, trial
        j = jacobian(x)
        lengths = np.maximum(lengths, np.linalg.norm(j, axis=0))
        points.append((evaluations, x.copy()))
    return points
