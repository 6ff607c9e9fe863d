"""How much better than the best constant a set of predictions is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Skill:
    r"""Two measures of the same predictions: 0 is the best constant, 1 is perfect.

    Args:
        variance: \(1 - \sum_i \|t_i - p_i\|^2 / \sum_i \|t_i - \bar t\|^2\): the coefficient of
            determination; with one-hot targets the Brier skill score.
        accuracy: \((a - a_0) / (1 - a_0)\), with the accuracy \(a\) and that of the most frequent
            class \(a_0\); None where the targets are no classes.
    """

    variance: float
    accuracy: float | None = None

    @property
    def best(self) -> float:
        """The larger of the two."""
        return max(self.variance, -np.inf if self.accuracy is None else self.accuracy)


def skill(targets: ArrayLike, predictions: ArrayLike, classes: bool = False) -> Skill:
    r"""Compares predictions with the best constant.

    When to use it: to tell a model that has learned something from one that has not, in a number
    that means the same for classes, whose frequencies may differ, and for real numbers of any
    unit.

    Args:
        targets: matrix \([n, k]\); with `classes` one column a class, 0 or 1 (a single column for
            two classes).
        predictions: matrix \([n, k]\), probabilities where the targets are classes.
        classes: whether the targets are classes.

    Returns:
        `Skill`. Predictions that are not finite have the skill \(-\infty\); targets that are all
        the same leave nothing to predict and give 0.

    Reference: Brier, "Verification of forecasts expressed in terms of probability", 1950; Murphy,
    "Skill scores based on the mean square error", 1988, equation 4.
    """
    targets = np.asarray(targets, dtype="float64")
    predictions = np.asarray(predictions, dtype="float64")
    if not np.isfinite(predictions).all():
        return Skill(-np.inf, -np.inf if classes else None)
    spread = np.sum((targets - targets.mean(axis=0)) ** 2)
    error = np.sum((targets - predictions) ** 2)
    variance = float(1.0 - error / spread) if spread > 0 else 0.0
    if not classes:
        return Skill(variance)
    true, guessed = class_indices(targets), class_indices(predictions)
    most_frequent = np.bincount(true).max() / len(true)
    if most_frequent == 1.0:
        return Skill(variance, 0.0)
    return Skill(variance, float((np.mean(true == guessed) - most_frequent) / (1 - most_frequent)))


def class_indices(columns: ArrayLike) -> np.ndarray:
    """The class of each row: the largest column, or whether a single one exceeds one half."""
    columns = np.asarray(columns)
    if columns.shape[1] == 1:
        return (columns[:, 0] > 0.5).astype(int)
    return columns.argmax(axis=1)
