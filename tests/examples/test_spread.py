"""Sentences say "not shown" within two standard errors of no difference; silence has progress."""

import sys
import time

import numpy as np
import pytest

from examples import (
    augmentation,
    early_stopping,
    optimizer_race,
    regularization,
    second_order,
    tuning,
)

WITH_VERDICT = [augmentation, optimizer_race, regularization, second_order, tuning]
WITH_PROGRESS = [augmentation, regularization, second_order, tuning]
OUTCOMES = [
    (2.1, 1.0, "held"),
    (1.9, 1.0, "not shown"),
    (0.0, 0.0, "not shown"),
    (-1.9, 1.0, "not shown"),
    (-2.1, 1.0, "did not hold"),
    (1.0, 0.0, "held"),
]


def numbers(mean, standard_error):
    """Four numbers with this mean, of which this is the standard error."""
    around = np.array([-1.0, 1.0, 1.0, -1.0])
    return mean + standard_error * around / (np.std(around, ddof=1) / 2)


def name_of(module):
    return module.__name__.rpartition(".")[2]


@pytest.mark.any_backend
@pytest.mark.parametrize(("mean", "error", "outcome"), OUTCOMES)
@pytest.mark.parametrize("example", WITH_VERDICT, ids=name_of)
def test_verdict(example, mean, error, outcome):
    assert example.verdict(numbers(mean, error)) == outcome


@pytest.mark.any_backend
@pytest.mark.parametrize(("mean", "error", "outcome"), OUTCOMES)
def test_verdict_on_ratios(mean, error, outcome):
    # Two data sets between which the ratios differ far more than from seed to seed.
    falls = np.exp(-0.01 * numbers(mean, error))
    assert early_stopping.falls(np.array([0.5 * falls, 2.0 * falls])) == outcome


@pytest.mark.any_backend
def test_ratios_as_text():
    ratios = np.exp(0.01 * numbers(10.0, 2.0))[None]
    assert early_stopping.percent(ratios) == "+10.5 ± 2.2 %"


@pytest.mark.any_backend
def test_numbers_as_text():
    assert regularization.within(numbers(0.8, 0.01), ".1%") == "80.0% ± 1.0%"
    assert optimizer_race.within(numbers(0.8, 0.01), ".2f") == "0.80 ± 0.01"


@pytest.mark.any_backend
@pytest.mark.parametrize("example", WITH_PROGRESS, ids=name_of)
def test_progress(example, capsys, monkeypatch):
    start = time.perf_counter() - 10.0
    for done in range(1, 41):
        example.show_progress(done, 40, start)
    lines = capsys.readouterr().out.splitlines()
    assert 5 <= len(lines) <= 10
    assert lines[-1].startswith("40 of 40") or "40 of 40" in lines[-1]
    assert "0 s left" in lines[-1]

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    example.show_progress(4, 40, start)
    halfway = capsys.readouterr().out
    assert halfway.startswith("\r")
    assert "\n" not in halfway
    assert "90 s left" in halfway  # 10 s took a tenth
    example.show_progress(40, 40, start)
    assert capsys.readouterr().out.endswith("\n")
