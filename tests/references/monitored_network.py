"""A two-layer network's train step in plain NumPy, for what the monitor should have measured.

Symbols: a_1 = tanh(x W_1 + b_1), a_2 = a_1 W_2 + b_2, L = mean((a_2 - y)^2); g_v = dL/dv.
"""

import numpy as np


def train_step(x, y, weights, learning_rate):
    """Activations and gradients of one step of plain descent, and the weights after it."""
    w_1, b_1, w_2, b_2 = (np.asarray(w, dtype="float64") for w in weights)
    a_1 = np.tanh(x @ w_1 + b_1)
    a_2 = a_1 @ w_2 + b_2
    d_2 = 2.0 * (a_2 - y) / y.size
    d_1 = (d_2 @ w_2.T) * (1.0 - a_1**2)
    gradients = [x.T @ d_1, d_1.sum(axis=0), a_1.T @ d_2, d_2.sum(axis=0)]
    after = [w - learning_rate * g for w, g in zip((w_1, b_1, w_2, b_2), gradients, strict=True)]
    return (a_1, a_2), gradients, after


def statistics(x):
    """The statistics that activations and gradients share."""
    return {
        "mean": x.mean(),
        "standard_deviation": x.std(),
        "minimum": x.min(),
        "maximum": x.max(),
        "zero_fraction": (x == 0).mean(),
        "non_finite_count": (~np.isfinite(x)).sum(),
        "norm": np.sqrt((x**2).sum()),
        "largest_magnitude": np.abs(x).max(),
    }
