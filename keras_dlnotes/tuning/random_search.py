"""Random search."""

from optuna.samplers import BaseSampler, RandomSampler

from keras_dlnotes.tuning.search import Search


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
