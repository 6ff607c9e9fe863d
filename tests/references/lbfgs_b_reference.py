"""The L-BFGS-B direction in plain NumPy, with a dense matrix, walking the path piece by piece.

Symbols of Byrd, Lu, Nocedal and Zhu (1995): x, g, l, u, theta; `hessian` is B, `cauchy` x^c.
"""

import numpy as np


def dense_hessian(steps, changes):
    """B by the BFGS update, Nocedal and Wright equation (6.19), from theta I, oldest pair first."""
    s, y = steps[-1], changes[-1]
    b = (y @ y) / (s @ y) * np.eye(len(s))
    for s, y in zip(steps, changes, strict=True):
        bs = b @ s
        b = b - np.outer(bs, bs) / (s @ bs) + np.outer(y, y) / (s @ y)
    return b


def cauchy_point(x, g, low, high, hessian):
    """The first local minimum of the model along P(x - t g)."""
    d, times = -g.copy(), np.full(len(x), np.inf)
    for i in range(len(x)):
        bound = high[i] if d[i] > 0 else low[i]
        if d[i] != 0 and np.isfinite(bound):
            times[i] = (bound - x[i]) / d[i]
    d[times <= 0] = 0.0
    z, now = np.zeros_like(x), 0.0
    for end in [*sorted(times[np.isfinite(times) & (times > 0)]), np.inf]:
        if not d.any():
            break
        slope, bend = g @ d + d @ hessian @ z, d @ hessian @ d
        best = -slope / bend
        if best <= 0:
            break
        if now + best < end:
            z = z + best * d
            break
        z = z + (end - now) * d
        d[times <= end], now = 0.0, end
    at_bound = (d == 0) & (times <= now)
    return np.where(at_bound, np.where(g > 0, low, high), x + z)


def direction(x, g, low, high, hessian):
    """x' - x, with the direct primal method and the projection of Morales and Nocedal."""
    cauchy = cauchy_point(x, g, low, high, hessian)
    free = (cauchy > low) & (cauchy < high)
    step = np.zeros_like(x)
    if free.any():
        residual = (g + hessian @ (cauchy - x))[free]
        step[free] = -np.linalg.solve(hessian[np.ix_(free, free)], residual)
    projected = np.clip(cauchy + step, low, high)
    if (projected - x) @ g < 0:
        return projected - x
    room = np.where(step > 0, high - cauchy, low - cauchy)
    steps = [room[i] / step[i] for i in range(len(x)) if step[i] != 0]
    return np.clip(cauchy + min([1.0, *steps]) * step, low, high) - x
