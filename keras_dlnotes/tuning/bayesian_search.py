"""Bayesian optimization."""


from optuna.samplers import TPESampler

from keras_dlnotes.tuning.search import Search


class BayesianSearch(Search):
    def _make_sampler(self, seed):
        return TPESampler(seed=seed)
