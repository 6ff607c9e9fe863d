"""Grid search."""

import warnings
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler

from keras_dlnotes.tuning.hyperparameters import HyperParameters
from keras_dlnotes.tuning.search import Search


class GridSearch(Search):
    r"""Tries all possible combinations of hyperparameters and chooses the best one.

    When to use it: for a few parameters with a few values each. It is computationally expensive,
    \(\prod_j |\Lambda_j|\) trials, and not suitable for continuous hyperparameters: a continuous
    range without a `step` is refused.

    Formula: \(\lambda^* = \arg\min_\lambda L(\lambda)\) over
    \(\lambda \in \Lambda_1 \times \dots \times \Lambda_d\).

    Combinations come in random order, so that the first part of a large grid is spread over it.
    Parameters asked for under a condition only count where it holds.

    The arguments are those of `Search`; `max_trials=None`, the default, tries the whole grid.

    Example:
    ```python
    def build(hp):
        learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, step=10, log=True)  # 4 values
        units = hp.Choice("units", [16, 64])
        ...

    search = kd.tuning.GridSearch(build, name="digits_grid")
    search.run(x, y, validation_data=(x_val, y_val), epochs=10)  # 8 trials
    ```
    """

    needs_complete_builds = True

    def __init__(
        self,
        build: Callable[[HyperParameters], Any],
        objective: str = "val_loss",
        max_trials: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(build, objective, max_trials, *args, **kwargs)

    def _make_sampler(self, seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return BruteForceSampler(seed=seed)

    def is_exhausted(self, study: Study) -> bool:
        """Whether all combinations have been tried, or are being tried."""
        trials = study.get_trials(deepcopy=False)
        if not trials:
            return False
        last = trials[-1]
        try:
            # After a trial the sampler stops the study if no combination is left; that it can do
            # only inside of Study.optimize, and says so.
            self._make_sampler(0).after_trial(study, last, last.state, last.values)
        except RuntimeError:
            return True
        return False
