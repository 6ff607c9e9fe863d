"""The examples run from end to end with small settings, print their sentences and draw."""

import re

import keras
import numpy as np
import pytest

from examples import (
    augmentation,
    early_stopping,
    gradient_check,
    optimizer_race,
    regularization,
    second_order,
    tuning,
)
from keras_dlnotes.numerics.central_differences import step_sizes


def is_picture(path):
    return path.stat().st_size > 10_000


def test_early_stopping(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(early_stopping, "SEEDS", 3)
    table = early_stopping.main(epochs=15, picture=tmp_path / "picture.png")
    assert set(table) == set(early_stopping.CRITERIA)
    assert is_picture(tmp_path / "picture.png")
    printed = capsys.readouterr().out
    assert re.search(r"generalizes better: (held|not shown|did not hold)\.", printed)
    assert re.search(r"the test error by [+-][\d.]+ ± [\d.]+ % against", printed)


def test_optimizer_race(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(optimizer_race, "FOLDER", tmp_path)
    monkeypatch.setattr(optimizer_race, "SEEDS", 2)
    monkeypatch.setattr(optimizer_race, "EPOCHS", 1)
    optimizer_race.main()
    assert is_picture(tmp_path / "paths.png")
    assert is_picture(tmp_path / "loss.png")
    printed = capsys.readouterr().out
    # The six on the surfaces, where nothing is random; the seventh is about the digits.
    assert [o == "held" for o in re.findall(r"^  \[(.*?)\]", printed, re.MULTILINE)[:6]] == [
        True
    ] * 6


def test_stacked_networks_learn(monkeypatch):
    monkeypatch.setattr(optimizer_race, "EPOCHS", 1)
    monkeypatch.setattr(optimizer_race, "SEEDS", 3)
    losses, accuracies = optimizer_race.learn_digits("GradientDescent")
    assert losses.shape == (3, 3)
    assert accuracies.shape == (3,)
    assert np.all(np.diff(losses, axis=0) < 0)
    assert np.all(np.ptp(losses, axis=1) > 0)
    assert np.all((accuracies > 0.3) & (accuracies < 0.95))  # 0.1 is chance


def test_gradient_check(tmp_path, capsys):
    gradient_check.main(seeds=2, epochs=1, picture=tmp_path / "picture.png")
    assert is_picture(tmp_path / "picture.png")
    printed = capsys.readouterr().out
    assert len(re.findall(r"accuracy [\d.]+% to [\d.]+% after 1 epochs", printed)) == 2
    assert "float32: " in printed


@pytest.mark.any_backend
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_differences_by_step(dtype):
    eps = np.finfo(dtype).eps
    steps = np.concatenate([step_sizes(eps, 1), [3e-2, 1e-1]])
    errors = gradient_check.differences_by_step(steps, dtype)
    assert errors["right"][0] < 10 * eps ** (2 / 3)
    assert errors["right"][2] / errors["right"][1] == pytest.approx((0.1 / 0.03) ** 2, rel=0.1)
    assert min(errors["wrong"]) > 0.1


def test_second_order(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(second_order, "LIMITS", {"Newton": 4, "L-BFGS": 6, "Adam": 5})
    second_order.main(starts=2, picture=tmp_path / "picture.png")
    assert is_picture(tmp_path / "picture.png")


@pytest.mark.any_backend
def test_evaluations_until_a_loss():
    curve = second_order.Curve()
    curve.losses = [3.0, 2.0, 2.5, 1.0]
    assert curve.evaluations(2.0) == 2
    assert curve.evaluations(0.5) == 5


def test_regularization(tmp_path, capsys):
    runs = regularization.main(seeds=2, epochs=16, picture=tmp_path / "picture.png")
    assert {len(of_arm) for of_arm in runs.values()} == {2}
    assert is_picture(tmp_path / "picture.png")
    printed = capsys.readouterr().out
    assert re.search(r"robust to outliers: (held|not shown|did not hold)\.", printed)


@pytest.mark.any_backend
def test_only_labels_to_train_on_differ_without_outliers():
    (x, y), *others = regularization.load_data(0)
    (clean_x, clean_y), *clean_others = regularization.load_data(0, outliers=0.0)
    np.testing.assert_array_equal(x, clean_x)
    np.testing.assert_equal(others, clean_others)
    assert 0.05 < np.mean(y != clean_y) < 0.25


def test_augmentation(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(augmentation, "FOLDER", tmp_path)
    monkeypatch.setattr(augmentation, "STEPS", 25)
    augmentation.main(seeds=2)
    assert is_picture(tmp_path / "copies.png")
    printed = capsys.readouterr().out
    assert "[held] Augmentation increases" in printed


def test_tuning(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "tuning").mkdir(parents=True)
    monkeypatch.setattr(tuning, "SEEDS", 2)
    monkeypatch.setattr(tuning, "TRIALS", 9)
    rates = np.log10(tuning.RATES)[:, None]
    monkeypatch.setattr(tuning, "tabulated", lambda: 1 + rates**2 + np.zeros(len(tuning.DECAYS)))
    tuning.compare_searches()
    assert is_picture(tmp_path / tuning.PICTURE)
    assert re.search(r"than random search: (held|not shown|did not hold);", capsys.readouterr().out)


@pytest.mark.parametrize("example", [augmentation, regularization])
def test_a_network_that_starts_anew_is_as_a_new_one(example):
    arm = ("L2",) if example is regularization else ()
    make = example.compiled if example is regularization else example.network
    model = make(*arm)
    model.fit(np.ones((4, 8, 8, 1)), np.zeros(4), verbose=0)
    example.start_anew(model, *arm, seed=3)
    keras.utils.set_random_seed(3)
    new = make(*arm)
    assert int(model.optimizer.iterations) == 0
    variables = zip(
        model.weights + model.optimizer.variables,
        new.weights + new.optimizer.variables,
        strict=True,
    )
    for old, first in variables:
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(first)
        )
