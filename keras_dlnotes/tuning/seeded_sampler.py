"""Makes what a sampler proposes a function of the seed and the history, and of nothing else."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from keras_dlnotes.tuning import internals

JOINTLY_DRAWN = "jointly_drawn"


def seed_of(*key: int | str) -> int:
    """A seed for a tuple of whole numbers and strings, the same on every machine."""
    numbers = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class SeededSampler(BaseSampler):
    """Draws each trial's values from a generator of its own.

    Optuna's samplers draw from one stream, so what a process proposes depends on how many numbers
    it drew before; after `kill -9` that is lost. Here a fresh sampler serves each trial, seeded by
    the search's seed and the trial's number, and values drawn one by one are seeded by their name
    as well. A trial taken up again gets the values that it had, down to those that it had not yet
    asked for, and the trials after it are the same as if nothing had happened.

    Args:
        make: function from a seed to an Optuna sampler.
        seed: the search's seed.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler: BaseSampler

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        self._sampler = self._make(seed_of(self._seed, trial.number))
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws them; a trial that was interrupted has them already."""
        kept = trial.user_attrs.get(JOINTLY_DRAWN)
        if kept is not None:
            return {name: value for name, value in kept.items() if name in search_space}
        values = self._sampler.sample_relative(study, trial, search_space)
        if values:
            storage = internals.storage_of_study.of(study)
            storage.set_trial_user_attr(internals.id_of_trial.of(trial), JOINTLY_DRAWN, values)
        return values

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws one parameter."""
        sampler = self._make(seed_of(self._seed, trial.number, param_name))
        return sampler.sample_independent(study, trial, param_name, param_distribution)
