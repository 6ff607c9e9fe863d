"""Predictions of each example from all others, in closed form: what is there to be learned."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 1000.0)


def leave_one_out_predictions(
    features: ArrayLike,
    targets: ArrayLike,
    penalties: Iterable[float] = PENALTIES,
    gaussian: bool = True,
) -> np.ndarray:
    r"""Predicts each example by kernel ridge regression on all others.

    When to use it: as a yardstick that needs no training and no tuning. A network whose
    predictions *on its training data* are clearly worse than these has not learned what a
    textbook method sees at once.

    With standardized features, the kernel is the sum of a linear one and a Gaussian whose width is
    the median distance, \(K_{ij} = x_i^T x_j / d + \exp(-\|x_i - x_j\|^2 / m)\), and a constant
    \(b\) is not penalized. With \(M = (K + \lambda I)^{-1}\) and \(u = M 1\), the residual of
    example \(i\) when it is left out is

    \[t_i - p_i = \alpha_i / (M_{ii} - u_i^2 / 1^T u), \quad \alpha = M (t - b), \quad
    b = u^T t / 1^T u\]

    Targets from which the mean of all was taken would give each one away: it is minus the sum of
    the others, and with more features than examples a linear model finds that out.

    Args:
        features: matrix \([n, d]\).
        targets: matrix \([n, k]\).
        penalties: values of \(\lambda\) to choose from, by the same residuals.
        gaussian: whether the kernel has its Gaussian part; without it this is ridge regression.

    Returns:
        Predictions \([n, k]\) with the penalty whose squared residuals are least.

    Reference: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equation
    5.12; Sundararajan and Keerthi, 2001.
    """
    features = standardized(features)
    targets = np.asarray(targets, dtype="float64")
    linear = features @ features.T / max(features.shape[1], 1)
    squared_norms = np.diag(linear)
    distances = np.maximum(squared_norms[:, None] + squared_norms[None, :] - 2.0 * linear, 0.0)
    off_diagonal = distances[~np.eye(len(distances), dtype=bool)]
    positive = off_diagonal[off_diagonal > 0]
    width = np.median(positive) if positive.size else 1.0
    kernel = linear + np.exp(-distances / width) if gaussian else linear
    eigenvalues, vectors = np.linalg.eigh(kernel)
    rotated, ones = vectors.T @ targets, vectors.sum(axis=0)
    best, least = None, np.inf
    for penalty in penalties:
        shrinkage = 1.0 / (np.maximum(eigenvalues, 0.0) + penalty)
        row_sums = vectors @ (shrinkage * ones)
        constant = row_sums @ targets / row_sums.sum()
        weights = vectors @ (shrinkage[:, None] * rotated) - np.outer(row_sums, constant)
        inverse_diagonal = (vectors**2) @ shrinkage - row_sums**2 / row_sums.sum()
        residuals = weights / inverse_diagonal[:, None]
        error = np.sum(residuals**2)
        if error < least:
            best, least = residuals, error
    return targets - best


def standardized(features: ArrayLike, limit: float = 10.0) -> np.ndarray:
    """Each column with mean 0 and standard deviation 1, outliers cut; constant columns are 0."""
    features = np.asarray(features, dtype="float64")
    deviations = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
    return np.clip(scaled, -limit, limit)
