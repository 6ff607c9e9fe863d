import numpy as np
import pytest

from keras_dlnotes.measures import class_indices, skill


def test_best_constant_is_zero_and_perfect_is_one():
    targets = np.array([[1.0], [2.0], [4.0]])
    assert skill(targets, np.full((3, 1), targets.mean())).variance == pytest.approx(0.0)
    assert skill(targets, targets).variance == 1.0
    assert skill(targets, targets).accuracy is None


def test_brier_skill_and_accuracy_by_hand():
    targets = np.eye(2)[[0, 0, 0, 1]]
    predictions = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    result = skill(targets, predictions, classes=True)
    squared = 2 * (0.1**2 + 0.2**2 + 0.6**2 + 0.3**2)
    spread = 2 * (3 * 0.25**2 + 0.75**2)
    assert result.variance == pytest.approx(1 - squared / spread)
    assert result.accuracy == pytest.approx((0.75 - 0.75) / 0.25)
    assert result.best == result.variance


def test_one_column_of_two_classes():
    assert class_indices(np.array([[0.2], [0.7]])).tolist() == [0, 1]
    assert skill(np.array([[0.0], [1.0]]), np.array([[0.2], [0.7]]), classes=True).accuracy == 1.0


def test_constant_targets_and_numbers_that_are_not_finite():
    assert skill(np.ones((4, 1)), np.zeros((4, 1)), classes=True) == skill(
        np.ones((4, 1)), np.ones((4, 1)), classes=True
    )
    assert skill(np.arange(3.0)[:, None], np.full((3, 1), np.nan)).best == -np.inf
