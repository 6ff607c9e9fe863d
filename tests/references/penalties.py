"""The notes' regularization terms in plain NumPy and loops."""

import numpy as np


def l2(strength, weights):
    """λ Ω(w), Ω(w) = ½ Σ wᵢ²."""
    return strength * 0.5 * sum(float(w) ** 2 for w in np.ravel(weights))


def l1(strength, weights):
    """λ Ω(w), Ω(w) = Σ |wᵢ|."""
    return strength * sum(abs(float(w)) for w in np.ravel(weights))


def dropout(strength, columns, masks):
    """λ Σᵢ 1{dᵢ = 0} wᵢ² for each example's mask, averaged over the examples.

    `columns` is a list of the weights into each unit i, `masks` an array [examples, units] of dᵢ.
    """
    terms = [
        sum(np.sum(np.square(columns[i])) for i in range(len(columns)) if mask[i] == 0)
        for mask in masks
    ]
    return strength * float(np.mean(terms))
