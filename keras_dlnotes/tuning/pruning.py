"""When a trial is hopeless: Optuna's pruners, asked after each epoch."""

from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner

_PRUNERS: dict[str, type[BasePruner]] = {
    "median": MedianPruner,
    "successive_halving": SuccessiveHalvingPruner,
}


def as_pruner(pruner):
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


def hopeless_by(study, trial):
    """A function from epoch and objective to whether the study's pruner would end the trial.

    A trial that was interrupted passes the epochs that it had reported already as it did then.
    """
    reported = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def hopeless(epoch, value):
        if any(epoch < other for other in reported):
            return False
        if epoch not in reported:
            trial.report(value, epoch)
        return trial.should_prune()

    return hopeless
