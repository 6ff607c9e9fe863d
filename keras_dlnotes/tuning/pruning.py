"""When a trial is hopeless: Optuna's pruners, asked after each epoch."""

import statistics
from collections.abc import Callable

from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

_STARTUP_TRIALS = 5


class _MedianPruner(MedianPruner):
    """Optuna's, which judges a trial by its best value so far, and ends diverged trials as well.

    Of a finished trial's values, one is the worst and one the best; let W and B be the medians of
    these over the finished trials. A trial has diverged when its present value is worse than W by
    more than the range that trainings move in, |W - B|. Overfitting stays within it.
    """

    def __init__(self) -> None:
        super().__init__(n_startup_trials=_STARTUP_TRIALS)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to end the trial."""
        return _has_diverged(study, trial) or super().prune(study, trial)


def _has_diverged(study: Study, trial: FrozenTrial) -> bool:
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    curves = [
        [sign * value for value in other.intermediate_values.values()]
        for other in finished
        if other.intermediate_values
    ]
    if len(curves) < _STARTUP_TRIALS or trial.last_step is None:
        return False
    worst, best = (statistics.median(map(of, curves)) for of in (max, min))
    return sign * trial.intermediate_values[trial.last_step] > worst + (worst - best)


_PRUNERS: dict[str, type[BasePruner]] = {
    "median": _MedianPruner,
    "successive_halving": SuccessiveHalvingPruner,
}


def as_pruner(pruner: BasePruner | str | None) -> BasePruner | None:
    """Optuna's pruner of a name; a pruner and None pass through.

    Raises:
        ValueError: If it is none of these.
    """
    if pruner is None or isinstance(pruner, BasePruner):
        return pruner
    if pruner not in _PRUNERS:
        raise ValueError(
            f"Expected None, one of {sorted(_PRUNERS)} or a pruner of Optuna's as pruner. "
            f"Received {pruner!r}."
        )
    return _PRUNERS[pruner]()


def hopeless_by(study: Study, trial: Trial) -> Callable[[int, float], bool]:
    """A function from epoch and objective to whether the study's pruner would end the trial.

    A trial that was interrupted passes the epochs that it had reported already as it did then.
    """
    reported = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def hopeless(epoch: int, value: float) -> bool:
        if any(epoch < other for other in reported):
            return False
        if epoch not in reported:
            trial.report(value, epoch)
        return trial.should_prune()

    return hopeless
