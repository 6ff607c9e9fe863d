"""What build may ask for, and what it is told when it asks for the impossible."""

import numpy as np
import optuna
import pytest

from keras_dlnotes.tuning import HyperParameters

pytestmark = pytest.mark.any_backend


def trial(seed=0):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def test_values_lie_in_their_ranges_and_are_remembered():
    for seed in range(20):
        hp = HyperParameters(trial(seed))
        assert 0.5 <= hp.Float("plain", 0.5, 2) <= 2
        assert 1e-4 <= hp.Float("log", 1e-4, 1e-1, log=True) <= 1e-1
        assert hp.Float("step", 0, 1, step=0.25) in (0, 0.25, 0.5, 0.75, 1)
        assert hp.Int("int", 3, 9, step=3) in (3, 6, 9)
        assert 8 <= hp.Int("log_int", 8, 64, log=True) <= 64
        assert hp.Int("powers", 8, 64, step=2, log=True) in (8, 16, 32, 64)
        assert hp.Choice("choice", ["a", None, 3, True]) in ("a", None, 3, True)
        assert isinstance(hp.Boolean("boolean"), bool)
        again = hp.Float("plain", 0.5, 2)
        assert again == hp["plain"] == hp.values["plain"]


def test_a_logarithmic_step_is_a_ratio_and_reaches_the_end():
    seen = {HyperParameters(trial(seed)).Float("x", 1e-4, 1e-1, 10, log=True) for seed in range(60)}
    np.testing.assert_allclose(sorted(seen), [1e-4, 1e-3, 1e-2, 1e-1], rtol=1e-12)


def test_numpy_numbers_become_pythons():
    hp = HyperParameters(trial())
    value = hp.Choice("units", np.array([16, 32], "int64"))
    assert type(value) is int
    assert type(hp.Choice("rate", np.logspace(-3, -1, 3))) is float


def test_an_explicit_space_is_read_by_name():
    space = {"units": [16, 32], "rate": optuna.distributions.FloatDistribution(0.1, 0.5)}
    hp = HyperParameters(trial(), space)
    assert hp["units"] in (16, 32)
    assert 0.1 <= hp["rate"] <= 0.5
    with pytest.raises(KeyError, match=r"\['rate', 'units'\].*'depth'"):
        hp["depth"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda hp: hp.Float("x", 2, 1), "min_value <= max_value"),
        (lambda hp: hp.Float("x", 0, float("inf")), "finite numbers"),
        (lambda hp: hp.Float("x", float("nan"), 1), "finite numbers"),
        (lambda hp: hp.Float("x", 0, 1, log=True), "min_value > 0"),
        (lambda hp: hp.Float("x", 1, 10, step=1, log=True), "step > 1"),
        (lambda hp: hp.Float("x", 0, 1, step=0), "step above 0"),
        (lambda hp: hp.Int("x", 0, 4, step=0), "step above 0"),
        (lambda hp: hp.Int("x", 0, 8, log=True), "min_value > 0"),
        (lambda hp: hp.Int("x", 0.5, 4), "whole numbers"),
        (lambda hp: hp.Choice("x", []), "at least one"),
        (lambda hp: hp.Choice("x", [(64, 32)]), "choose a name"),
        (lambda hp: hp.Choice("x", "adam"), "list of values"),
        (lambda hp: hp.Choice(["adam"], "x"), "name as first argument"),
    ],
)
def test_the_impossible_is_refused(ask, message):
    with pytest.raises(ValueError, match=message):
        ask(HyperParameters(trial()))


def test_one_name_has_one_meaning():
    hp = HyperParameters(trial())
    hp.Choice("x", [1, 2])
    with pytest.raises(ValueError, match="another name"):
        hp.Float("x", 0, 1)


def test_grid_search_needs_steps():
    hp = HyperParameters(trial(), finite=True)
    hp.Float("stepped", 0, 1, step=0.5)
    hp.Float("powers", 1, 100, step=10, log=True)
    with pytest.raises(ValueError, match="not suitable for continuous hyperparameters"):
        hp.Float("learning_rate", 1e-4, 1e-1, log=True)
