"""Optuna's Gaussian process or tree-structured Parzen estimator, on data made fit for a model."""

import importlib.util
import warnings

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

KINDS = ("auto", "gaussian_process", "parzen")
_FENCE = 1.5  # Tukey's


class BayesianSampler(BaseSampler):
    """Chooses the model of the loss, and shows it the trials so that it can learn from all of them.

    A Gaussian process needs a space whose parameters are the same in every trial; where `build`
    asks for some of them only under a condition, the Parzen estimator takes its place.

    Both see a copy of the study in which a failed trial counts as bad as a bad finished one (or
    they would propose it again and again), and no trial counts as worse than Tukey's upper fence
    (or one loss of 1e20 would make all others look alike).

    Args:
        seed: seeds every draw.
        kind: one of `KINDS`.
        startup_trials: trials that are drawn at random, before there is a model.
    """

    def __init__(self, seed, kind, startup_trials):
        self._seed = seed
        self._kind = kind
        self._startup_trials = startup_trials
        self._random = RandomSampler(seed=seed)
        self._view: optuna.Study
        self._model: BaseSampler

    def infer_relative_search_space(self, study, trial):
        """The parameters that are drawn together: all that every trial had."""
        if not self._look_at(study):
            return {}
        return self._model.infer_relative_search_space(self._view, self._seen(trial))

    def sample_relative(self, study, trial, search_space):
        """Draws them where the model promises most."""
        if not search_space:
            return {}
        return self._model.sample_relative(self._view, self._seen(trial), search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        """Draws one parameter that has only been seen under a condition, or not yet."""
        if not self._look_at(study):
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        return self._model.sample_independent(
            self._view, self._seen(trial), param_name, param_distribution
        )

    def _seen(self, trial):
        return self._view.get_trials(deepcopy=False)[trial.number]

    def _look_at(self, study):
        """Copies the study, and chooses the model; returns whether there are trials enough."""
        trials = study.get_trials(deepcopy=False)
        known = [t for t in trials if t.state.is_finished() and t.params]
        if len(known) < self._startup_trials or not any(t.values for t in known):
            return False
        self._view = _view_of(trials, study.direction)
        conditional = len({frozenset(t.params) for t in known if t.values}) > 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
            if self._kind == "gaussian_process" and not conditional:
                self._model = GPSampler(
                    seed=self._seed,
                    n_startup_trials=1,
                    independent_sampler=self._random,
                    warn_independent_sampling=False,
                )
            else:
                self._model = TPESampler(
                    seed=self._seed, n_startup_trials=1, multivariate=True, group=True
                )
        return True


def resolve(kind):
    """The kind of model that `"auto"` stands for on this machine.

    Raises:
        ValueError: If it is none of `KINDS`.
        ImportError: If the Gaussian process is asked for by name and PyTorch is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"Expected one of {list(KINDS)} as sampler. Received {kind!r}.")
    has_torch = importlib.util.find_spec("torch") is not None
    if kind == "gaussian_process" and not has_torch:
        raise ImportError(
            "Expected PyTorch for sampler='gaussian_process' (Optuna computes it there, whatever "
            "Keras's backend is); it is not installed. "
            "Install it with: pip install 'keras_dlnotes[torch]', or pass sampler='parzen'."
        )
    if kind == "auto":
        return "gaussian_process" if has_torch else "parzen"
    return kind


def _view_of(trials, direction):
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    values = np.array([sign * t.value for t in trials if t.values])
    lower, upper = np.quantile(values, [0.25, 0.75])
    fence = sign * min(values.max(), upper + _FENCE * (upper - lower))
    worse_of_two = min if sign > 0 else max
    view = optuna.create_study(direction=direction)
    for trial in trials:
        seen = {"params": trial.params, "distributions": trial.distributions}
        if not trial.state.is_finished():
            seen |= {"state": TrialState.RUNNING, "system_attrs": trial.system_attrs}
        elif trial.params:
            seen["value"] = worse_of_two(trial.value, fence) if trial.values else fence
        else:
            seen["state"] = TrialState.FAIL  # it failed before it asked for anything
        view.add_trial(create_trial(**seen))
    return view
