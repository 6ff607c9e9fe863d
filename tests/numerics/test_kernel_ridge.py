import numpy as np
import pytest

from keras_dlnotes.measures import skill
from keras_dlnotes.numerics import leave_one_out_predictions
from keras_dlnotes.numerics.kernel_ridge import standardized

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("gaussian", [True, False])
def test_equals_leaving_each_example_out(gaussian):
    x, t = RANDOM.normal(size=(12, 3)), RANDOM.normal(size=(12, 2))
    penalty = 0.1
    fast = leave_one_out_predictions(x, t, (penalty,), gaussian)
    # The slow twin: the same kernel and the same mean, each example out of the training set once.
    z = standardized(x)
    kernel = z @ z.T / 3
    if gaussian:
        distances = ((z[:, None] - z[None]) ** 2).sum(-1) / 3
        width = np.median(distances[~np.eye(12, dtype=bool)])
        kernel = kernel + np.exp(-distances / width)
    centered = t - t.mean(axis=0)
    for i in range(12):
        rest = np.arange(12) != i
        weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + penalty * np.eye(11), centered[rest])
        np.testing.assert_allclose(fast[i], kernel[i, rest] @ weights + t.mean(axis=0), rtol=1e-10)


def test_learns_what_a_linear_model_cannot():
    x = RANDOM.uniform(-1, 1, size=(200, 2))
    y = np.sign(x[:, :1] * x[:, 1:])
    assert skill(y, leave_one_out_predictions(x, y)).variance > 0.5
    assert skill(y, leave_one_out_predictions(x, y, gaussian=False)).variance < 0.1


def test_finds_nothing_in_shuffled_targets():
    x, y = RANDOM.normal(size=(300, 5)), RANDOM.normal(size=(300, 1))
    assert abs(skill(y, leave_one_out_predictions(x, y)).variance) < 0.05


def test_constant_features_and_a_single_column_do_no_harm():
    x = np.c_[np.ones(50), np.arange(50.0)]
    predictions = leave_one_out_predictions(x, np.arange(50.0)[:, None])
    assert np.isfinite(predictions).all()
    assert np.isfinite(leave_one_out_predictions(np.ones((50, 2)), np.ones((50, 1)))).all()
