"""What is proposed: even coverage, a model that learns from all trials, repeatable values."""

import math

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import Trial

from keras_dlnotes.tuning import internals
from keras_dlnotes.tuning.bayesian_sampler import BayesianSampler
from keras_dlnotes.tuning.seeded_sampler import SeededSampler

pytestmark = pytest.mark.any_backend


def parzen(seed):
    return BayesianSampler(seed, "parzen", 10)


def study_of(make, seed, objective, trials, direction="minimize"):
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(sampler=SeededSampler(make, seed), direction=direction)
    study.optimize(objective, trials, catch=RuntimeError)
    return study


def bowl(trial):
    return (trial.suggest_float("x", -1, 1) - 0.3) ** 2 + (
        trial.suggest_float("y", -1, 1) + 0.5
    ) ** 2


def test_random_values_cover_each_range_evenly():
    study = study_of(RandomSampler, 0, lambda t: t.suggest_float("x", 1e-4, 1, log=True), 200)
    decades = [math.floor(math.log10(trial.value)) for trial in study.trials]
    assert all(30 <= decades.count(decade) <= 70 for decade in (-4, -3, -2, -1))
    both = study_of(RandomSampler, 0, bowl, 200)
    x, y = ([trial.params[name] for trial in both.trials] for name in "xy")
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.2


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_model_does_better_than_chance(direction):
    sign = 1 if direction == "minimize" else -1

    def regret(make, seed):
        study = study_of(make, seed, lambda t: sign * bowl(t), 40, direction)
        return sign * study.best_value

    assert sum(regret(parzen, s) for s in range(4)) < 0.5 * sum(
        regret(RandomSampler, s) for s in range(4)
    )


def test_it_keeps_away_from_what_fails():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        if x > 0.5:
            raise RuntimeError("diverged")
        return (x - 0.2) ** 2

    study = study_of(parzen, 0, objective, 40)
    failed = [trial.state == optuna.trial.TrialState.FAIL for trial in study.trials]
    assert sum(failed[10:]) <= 3  # at random half of the 30 would


def test_conditional_parameters_are_learned_too():
    def objective(trial):
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return 1 + trial.suggest_float("x", 0, 1)
        return (trial.suggest_float("y", 0, 1) - 0.7) ** 2

    study = study_of(parzen, 0, objective, 40)
    late = [trial.params for trial in study.trials[20:]]
    assert sum(params["kind"] == "b" for params in late) >= 14
    assert study.best_value < 1e-2


def test_long_ranges_of_whole_numbers_keep_their_steps_and_reach_their_ends():
    def objective(trial):
        x = trial.suggest_int("x", 5, 999, step=7)
        y = trial.suggest_int("y", 1, 10**4, log=True)
        assert isinstance(x, int)
        assert isinstance(y, int)
        assert (x - 5) % 7 == 0
        return -x / 1000 + math.log(y)

    assert study_of(parzen, 0, objective, 60).best_params == {"x": 999, "y": 1}


@pytest.mark.parametrize("make", [RandomSampler, parzen])
def test_a_trial_cut_off_while_it_asks_gets_the_same_values(make):
    """As after kill -9 between two parameters, in a new process with a new sampler."""
    names = ["x", "y", "z"]

    def ask(trial, names):
        return [trial.suggest_float(name, 0, 1) for name in names]

    def history(study, trials):
        for _ in range(trials):
            trial = study.ask()
            study.tell(trial, sum(ask(trial, names)))

    whole = optuna.create_study(sampler=SeededSampler(make, 7))
    history(whole, 14)
    for cut in (0, 1, 2, 3):
        study = optuna.create_study(sampler=SeededSampler(make, 7))
        history(study, 12)
        interrupted = study.ask()
        ask(interrupted, names[:cut])
        study.sampler = SeededSampler(make, 7)
        resumed = Trial(study, internals.id_of_trial.of(interrupted))
        study.tell(resumed, sum(ask(resumed, names)))
        history(study, 1)
        assert [t.params for t in study.trials] == [t.params for t in whole.trials]
