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
    # The slow twin: the same kernel, each example out of the training set once.
    z = standardized(x)
    kernel = z @ z.T / 3
    if gaussian:
        distances = ((z[:, None] - z[None]) ** 2).sum(-1) / 3
        width = np.median(distances[~np.eye(12, dtype=bool)])
        kernel = kernel + np.exp(-distances / width)
    for i in range(12):
        rest = np.arange(12) != i
        # The last row and column are those of the constant, which is not penalized.
        system = np.pad(
            kernel[np.ix_(rest, rest)] + penalty * np.eye(11), (0, 1), constant_values=1
        )
        system[-1, -1] = 0
        weights = np.linalg.solve(system, np.vstack([t[rest], np.zeros((1, 2))]))
        np.testing.assert_allclose(fast[i], np.append(kernel[i, rest], 1) @ weights, rtol=1e-10)


def test_learns_what_a_linear_model_cannot():
    x = RANDOM.uniform(-1, 1, size=(200, 2))
    y = np.sign(x[:, :1] * x[:, 1:])
    assert skill(y, leave_one_out_predictions(x, y)).variance > 0.5
    assert skill(y, leave_one_out_predictions(x, y, gaussian=False)).variance < 0.1


def test_finds_nothing_in_shuffled_targets():
    x, y = RANDOM.normal(size=(300, 5)), RANDOM.normal(size=(300, 1))
    assert abs(skill(y, leave_one_out_predictions(x, y)).variance) < 0.05


@pytest.mark.parametrize("gaussian", [True, False])
def test_more_features_than_examples_give_nothing_away(gaussian):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(100, 200)), random.integers(0, 2, (100, 1)).astype(float)
    assert abs(skill(y, leave_one_out_predictions(x, y, gaussian=gaussian)).variance) < 0.1


def test_constant_features_and_a_single_column_do_no_harm():
    x = np.c_[np.ones(50), np.arange(50.0)]
    predictions = leave_one_out_predictions(x, np.arange(50.0)[:, None])
    assert np.isfinite(predictions).all()
    assert np.isfinite(leave_one_out_predictions(np.ones((50, 2)), np.ones((50, 1)))).all()
