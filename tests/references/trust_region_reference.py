"""The trust-region subproblem in plain NumPy and SciPy.

minimise g^T p + p^T H p / 2 over |p| <= Delta, by its optimality conditions (Nocedal and Wright,
theorem 4.1): (H + mu I) p = -g, mu >= 0, mu (Delta - |p|) = 0, H + mu I positive semidefinite.
"""

import numpy as np
from scipy.optimize import brentq


def solve(h, g, radius):
    """The step p, for g with a part along the smallest eigenvalue's eigenvector."""
    lam, q = np.linalg.eigh(h)
    if lam[0] > 0 and np.linalg.norm(np.linalg.solve(h, g)) <= radius:
        return -np.linalg.solve(h, g)
    size = lambda mu: np.linalg.norm((q.T @ g) / (lam + mu))  # noqa: E731
    low = max(0.0, -lam[0])
    high = low + np.linalg.norm(g) / radius
    low += 1e-13 * max(1.0, abs(low))
    mu = brentq(lambda mu: 1.0 / radius - 1.0 / size(mu), low, high, xtol=1e-15, rtol=1e-14)
    return -q @ ((q.T @ g) / (lam + mu))
