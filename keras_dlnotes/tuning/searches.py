"""The three searches, which differ in how they choose the next trial."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler, RandomSampler

from keras_dlnotes.tuning.bayesian_sampler import BayesianSampler, resolve
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


class RandomSearch(Search):
    r"""Tries random combinations of hyperparameters and chooses the best one.

    When to use it: for any ranges, continuous ones too, and whenever many workers run at once. It
    is the baseline: \(n\) trials try \(n\) different values of *each* parameter, where a grid of
    \(n = k^d\) trials tries \(k\).

    Formula: \(\lambda_i \sim U(\Lambda)\), uniform over each range, or over its logarithm;
    \(\lambda^* = \arg\min_i L(\lambda_i)\).

    The arguments are those of `Search`.

    Example:
    ```python
    search = kd.tuning.RandomSearch(build, max_trials=50, name="digits_random")
    search.run(x, y, validation_data=(x_val, y_val), epochs=10)
    print(search.results())
    ```

    Reference: Bergstra and Bengio, Random Search for Hyper-Parameter Optimization (2012).
    """

    def _make_sampler(self, seed: int) -> BaseSampler:
        return RandomSampler(seed=seed)


_STARTUP_TRIALS = 10


class BayesianSearch(Search):
    r"""Builds a probabilistic model of the loss and uses it to choose the next hyperparameters.

    When to use it: when a trial costs much more than the part of a second that choosing one does.
    It is suitable for continuous hyperparameters and can handle noisy loss functions.

    Formula: the first ten trials are random. After them, with the losses so far modelled as a
    Gaussian process of mean \(\mu(\lambda)\) and deviation \(\sigma(\lambda)\), each trial
    maximizes the (logarithm of the) expected improvement on the best loss \(L^*\),
    \(\mathrm{EI}(\lambda) = \mathrm{E}[\max(L^* - L(\lambda), 0)]\),
    \(L(\lambda) \sim N(\mu, \sigma^2)\). Where parameters exist only under a condition, a
    tree-structured Parzen estimator maximizes \(\ell(\lambda) / g(\lambda)\) instead, the densities
    of the good and of the other trials.

    Losses above the median count by their rank alone, and failed trials as the worst of them: so
    the search keeps away from where training diverges, and is not blinded by how badly it does.

    Args:
        *args: those of `Search`.
        sampler: `"gaussian_process"`, which needs PyTorch beside whatever backend Keras runs on;
            `"parzen"`, which does not and usually needs more trials; or `"auto"`, the first of
            these that is installed. Set the environment variable OMP_NUM_THREADS=1 for the first:
            threads gain nothing on matrices so small.
        **kwargs: those of `Search`.

    Raises:
        ImportError: If the Gaussian process is asked for by name and PyTorch is not installed.

    Example:
    ```python
    search = kd.tuning.BayesianSearch(build, max_trials=25, name="digits_bayesian")
    search.run(x, y, validation_data=(x_val, y_val), epochs=10)
    model = search.best_model()
    ```

    References: Ament et al., Unexpected Improvements to Expected Improvement for Bayesian
    Optimization (2023); Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011).
    """

    def __init__(
        self,
        *args: Any,
        sampler: Literal["auto", "gaussian_process", "parzen"] = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = resolve(sampler)

    def _make_sampler(self, seed: int) -> BaseSampler:
        return BayesianSampler(seed, self.sampler, _STARTUP_TRIALS)

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"sampler": self.sampler}
