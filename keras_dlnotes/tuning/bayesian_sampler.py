"""Optuna's Gaussian process or tree-structured Parzen estimator, on data made fit for a model."""

import importlib.util
from statistics import NormalDist
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from keras_dlnotes.tuning.seeded_sampler import JOINTLY_DRAWN

KINDS = ("auto", "gaussian_process", "parzen")
_LONG = 16  # steps


class BayesianSampler(BaseSampler):
    """Chooses the model of the loss, and shows it the trials so that it can learn from all of them.

    A Gaussian process needs a space whose parameters are the same in every trial; where `build`
    asks for some of them only under a condition, the Parzen estimator takes its place.

    Both see a copy of the study in which losses above the median count by their rank alone (where
    training diverges they say nothing of where it is best, and one of 1e20 would make all others
    look alike), and a failed trial counts as bad as the worst finished one (or they would propose
    it again and again).

    Args:
        seed: seeds every draw.
        kind: one of `KINDS`.
        startup_trials: trials that are drawn at random, before there is a model.

    Reference: Song et al., The Vizier Gaussian Process Bandit Algorithm (2024), half-rank warping.
    """

    def __init__(self, seed: int, kind: str, startup_trials: int) -> None:
        self._seed = seed
        self._kind = kind
        self._startup_trials = startup_trials
        self._random = RandomSampler(seed=seed)
        self._view: optuna.Study
        self._model: BaseSampler

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together: all that every trial had."""
        if not self._look_at(study):
            return {}
        space = self._model.infer_relative_search_space(self._view, self._seen(trial))
        asked = _last_asked_for(study.get_trials(deepcopy=False))
        return {name: asked[name] for name in space}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws them where the model promises most."""
        if not search_space:
            return {}
        ranges = {name: _continuous(asked) for name, asked in search_space.items()}
        values = self._model.sample_relative(self._view, self._seen(trial), ranges)
        return {name: _as_asked(value, search_space[name]) for name, value in values.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws one parameter that has only been seen under a condition, or not yet."""
        if not self._look_at(study):
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        value = self._model.sample_independent(
            self._view, self._seen(trial), param_name, _continuous(param_distribution)
        )
        return _as_asked(value, param_distribution)

    def _seen(self, trial: FrozenTrial) -> FrozenTrial:
        return self._view.get_trials(deepcopy=False)[trial.number]

    def _look_at(self, study: Study) -> bool:
        """Copies the study, and chooses the model; returns whether there are trials enough."""
        trials = study.get_trials(deepcopy=False)
        known = [t for t in trials if t.state.is_finished() and t.params]
        if len(known) < self._startup_trials or not any(t.values for t in known):
            return False
        self._view = _view_of(trials, study.direction)
        conditional = len({frozenset(t.params) for t in known if t.values}) > 1
        if self._kind == "gaussian_process" and not conditional:
            self._model = GPSampler(
                seed=self._seed,
                n_startup_trials=1,
                independent_sampler=self._random,
                warn_independent_sampling=False,
            )
        else:
            self._model = TPESampler(seed=self._seed, n_startup_trials=1)
        return True


def resolve(kind: str) -> str:
    """The kind of model that `"auto"` stands for on this machine.

    Raises:
        ValueError: If it is none of `KINDS`.
        ImportError: If the Gaussian process is asked for by name and is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"Expected one of {list(KINDS)} as sampler. Received {kind!r}.")
    missing = [name for name in ("torch", "scipy") if importlib.util.find_spec(name) is None]
    if kind == "gaussian_process" and missing:
        raise ImportError(
            "Expected PyTorch and SciPy for sampler='gaussian_process' (Optuna computes it with "
            f"them, whatever Keras's backend is); not installed: {', '.join(missing)}. "
            "Install them with: pip install 'keras_dlnotes[torch,tuning]', or pass "
            "sampler='parzen'."
        )
    if kind == "auto":
        return "parzen" if missing else "gaussian_process"
    return kind


def _view_of(trials: list[FrozenTrial], direction: StudyDirection) -> Study:
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    losses = _with_worse_half_ranked([sign * t.values[0] for t in trials if t.values])
    worst, following = max(losses), iter(losses)
    asked = _last_asked_for(trials)
    view = optuna.create_study(direction=direction)
    for trial in trials:
        params, distributions = trial.params, trial.distributions
        if not trial.state.is_finished():
            # What another worker's trial has drawn it may not have asked for yet.
            params = trial.user_attrs.get(JOINTLY_DRAWN, {}) | params
            distributions = {name: asked[name] for name in params}
        ranges = {name: _continuous(distributions[name]) for name in params}
        seen: dict[str, Any] = {"params": params, "distributions": ranges}
        if not trial.state.is_finished():
            seen["state"] = TrialState.RUNNING
        elif trial.params:
            seen["value"] = sign * (next(following) if trial.values else worst)
        else:
            seen["state"] = TrialState.FAIL  # it failed before it asked for anything
        view.add_trial(create_trial(**seen))
    return view


def _with_worse_half_ranked(losses: list[float]) -> list[float]:
    """The losses, of which those above the median count by their rank alone.

    They become what they would be if losses were normal and spread as the better half is.
    """
    values = np.array(losses, float)
    median = np.median(values)
    better = values <= median
    spread = np.sqrt(np.mean((values[better] - median) ** 2)) or np.ptp(values)
    # Equal losses have one rank, the mean of theirs.
    below, upto = (np.searchsorted(np.sort(values), values, side) for side in ("left", "right"))
    quantiles = (below + upto) / (2 * len(values))
    normal = np.array([NormalDist().inv_cdf(q) for q in quantiles])
    return np.where(better, values, median + spread * normal).tolist()


def _last_asked_for(trials: list[FrozenTrial]) -> dict[str, BaseDistribution]:
    asked: dict[str, BaseDistribution] = {}
    for trial in trials:
        asked |= trial.distributions
    return asked


def _continuous(asked: BaseDistribution) -> BaseDistribution:
    """A long range of whole numbers as one of real numbers.

    Optuna walks such a range number by number, which took most of the time of a trial.
    """
    if not isinstance(asked, IntDistribution) or asked.high - asked.low < _LONG * asked.step:
        return asked
    half = asked.step / 2
    return FloatDistribution(asked.low - half, asked.high + half, log=asked.log)


def _as_asked(value: Any, asked: BaseDistribution) -> Any:
    """The whole number that is nearest to `value`, where one was asked for."""
    if not isinstance(asked, IntDistribution):
        return value
    steps = round((value - asked.low) / asked.step)
    return min(max(asked.low + steps * asked.step, asked.low), asked.high)
