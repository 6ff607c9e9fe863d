"""Bayesian optimization."""

from typing import Any, Literal

from optuna.samplers import BaseSampler

from keras_dlnotes.tuning.bayesian_sampler import BayesianSampler, resolve
from keras_dlnotes.tuning.search import Search

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
