"""Runs one trial: builds, trains as often as asked, and says how it ended."""

import contextlib
import dataclasses
import inspect
import statistics
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
from optuna.distributions import BaseDistribution

from keras_dlnotes.numerics.number_arguments import is_whole_number
from keras_dlnotes.summaries import EventFileWriter
from keras_dlnotes.summaries.whole_file import is_full
from keras_dlnotes.tuning.hyperparameters import HyperParameters, SearchRefused
from keras_dlnotes.tuning.search_objective import SearchObjective
from keras_dlnotes.tuning.seeded_sampler import seed_of
from keras_dlnotes.tuning.trial_observer import TrialObserver

_BEST = "best_epoch"
_MESSAGE_LENGTH = 1000
FIT_ARGUMENTS = frozenset(inspect.signature(keras.Model.fit).parameters) - {"self"}


@dataclasses.dataclass
class Outcome:
    """How a trial ended: `"finished"`, `"pruned"` or `"failed"`, with what is known of it."""

    state: str
    objective: float | None = None
    executions: list[Any] = dataclasses.field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
    message: str = ""
    traceback: str = ""


@dataclasses.dataclass(frozen=True)
class TrialPlan:
    """What all trials of a search share.

    Args:
        build: function from `HyperParameters` to a compiled model, or to the model and a dict of
            arguments for `fit`.
        space: dict from name to Optuna distribution, of the hyperparameters stated beforehand.
        fit_arguments: dict of what `run` was given for `fit`.
        objective: the `SearchObjective`.
        seed: the search's seed.
        executions: how often to train; the objective is the mean.
        directory: folder of the study.
        directory_of: takes a trial's number; returns the folder of its curves and weights.
        prunes: whether the study's pruner may end a trial.
        complete_builds: see `Search.needs_complete_builds`.
    """

    build: Callable[[HyperParameters], Any]
    space: dict[str, BaseDistribution]
    fit_arguments: dict[str, Any]
    objective: SearchObjective
    seed: int
    executions: int
    directory: Path
    directory_of: Callable[[int], Path]
    prunes: bool
    complete_builds: bool


class TrialRun:
    """One trial, from its first `build` to its outcome.

    Args:
        plan: what it shares with the search's other trials.
        number: the trial's number.
        hyperparameters: the `HyperParameters` of this trial.
        threshold: the best objective so far; the weights of what is better are kept.
        hopeless: function from epoch and objective to whether to end the trial, or None.
    """

    def __init__(
        self,
        plan: TrialPlan,
        number: int,
        hyperparameters: HyperParameters,
        threshold: float,
        hopeless: Callable[[int, float], bool] | None,
    ) -> None:
        self._plan = plan
        self._number = number
        self._hyperparameters = hyperparameters
        self._directory = plan.directory_of(number)
        self._threshold = threshold
        self._hopeless = hopeless
        self.best_model = None
        self._best_logs: list[dict[str, float]] = []  # of each execution, at its best epoch
        self._best_epoch = 0

    def run(self, after_build: Callable[[], Any] = lambda: None) -> Outcome:
        """Trains, and returns the `Outcome`; what raises is a failed trial.

        Args:
            after_build: function called after the first build, when the trial has all its values.

        Raises:
            SearchRefused: If what is asked for cannot work in any trial.
            OSError: If the disk is full.
        """
        outcome = Outcome("finished")
        start = time.time()
        with self._writing(self._directory) as writer:
            try:
                self._run_executions(outcome, writer, after_build)
            except SearchRefused:
                raise
            except Exception as error:
                if number := _full_disk(error):  # it would fail every trial that is left
                    raise OSError(number, str(error)) from error
                outcome.state, outcome.objective = "failed", None
                outcome.message = f"{type(error).__name__}: {error}"[:_MESSAGE_LENGTH]
                outcome.traceback = traceback.format_exc()
            if outcome.message:
                text = f"    {outcome.message}\n\n```\n{outcome.traceback}\n```"
                writer.add_text(0, "failure", text)
        outcome.seconds = time.time() - start
        try:
            self._write_summary(outcome, start)
        except OSError as error:  # the result is worth more than its summary
            warnings.warn(
                f"The summary of trial {self._number} could not be written: {error}. The search "
                "goes on without it.",
                stacklevel=2,
            )
        return outcome

    def _run_executions(
        self, outcome: Outcome, writer: EventFileWriter, after_build: Callable[[], Any]
    ) -> None:
        threshold = self._threshold
        for execution in range(self._plan.executions):
            model, arguments = self._built(execution)
            if execution == 0:
                after_build()
            with contextlib.ExitStack() as stack:
                if execution > 0:
                    folder = self._directory / f"execution_{execution}"
                    writer = stack.enter_context(self._writing(folder))
                observer = TrialObserver(
                    self._plan.objective,
                    writer,
                    _epochs_until_validation(arguments),
                    threshold,
                    self._hopeless if execution == 0 else None,
                )
                callbacks = [*(arguments["callbacks"] or ()), observer]
                try:
                    model.fit(**{**arguments, "callbacks": callbacks})
                finally:
                    outcome.epochs += observer.epochs
            self._check_seen(observer, arguments)
            if observer.failure:
                outcome.state, outcome.message = "failed", observer.failure
                return
            if observer.best_weights is not None:
                threshold = observer.best
                model.set_weights(observer.best_weights)
                self.best_model = model
            outcome.executions.append(observer.best)
            self._best_logs.append(observer.best_logs)
            self._best_epoch = observer.best_epoch
            if observer.pruned:
                outcome.state = "pruned"
                break
        outcome.objective = statistics.fmean(outcome.executions)

    def _built(self, execution: int) -> tuple[keras.Model, dict[str, Any]]:
        keras.utils.set_random_seed(seed_of(self._plan.seed, self._number, execution))
        built = self._plan.build(self._hyperparameters)
        model, extra = built if isinstance(built, tuple) and len(built) == 2 else (built, {})
        if not isinstance(model, keras.Model) or not isinstance(extra, dict):
            raise SearchRefused(
                "Expected build(hp) to return a compiled keras.Model, or such a model and a dict "
                f"of arguments for fit. Received {built!r}."
            )
        if not model.compiled:
            raise SearchRefused(
                "Expected build(hp) to return a compiled model. Received one on which compile was "
                "not called. Call model.compile(...) in build."
            )
        if unknown := set(extra) - FIT_ARGUMENTS:
            raise SearchRefused(
                f"Expected arguments of keras.Model.fit from build. Received {sorted(unknown)}."
            )
        callbacks = [
            *(self._plan.fit_arguments.get("callbacks") or ()),
            *(extra.get("callbacks") or ()),
        ]
        arguments = {**self._plan.fit_arguments, **extra, "callbacks": callbacks}
        if self._plan.objective.name.startswith("val_") and not (
            arguments.get("validation_data") is not None or arguments.get("validation_split")
        ):
            raise SearchRefused(
                f"Expected validation_data or validation_split for the objective "
                f"{self._plan.objective.name!r}. Received neither. Pass one to run, or take an "
                "objective of the training data, such as 'loss'."
            )
        return model, arguments

    def _check_seen(self, observer: TrialObserver, arguments: dict[str, Any]) -> None:
        if observer.seen:
            return
        if not observer.epochs:
            raise SearchRefused(
                f"Expected at least one epoch of training. Received epochs="
                f"{arguments.get('epochs', 1)!r} with initial_epoch="
                f"{arguments.get('initial_epoch', 0)!r} and the data given."
            )
        raise SearchRefused(
            f"Expected the objective {self._plan.objective.name!r} in the logs of fit. After "
            f"{observer.epochs} epochs they have {sorted(observer.last_logs)}. Pass one of these "
            "as `objective`, or add the metric to compile. No trial was spent."
        )

    @contextlib.contextmanager
    def _writing(self, folder: Path) -> Iterator[EventFileWriter]:
        """An event file; what cannot be written to it does not end the search."""
        writer = EventFileWriter(folder)
        try:
            yield writer
        finally:
            writer.close()
            if writer.failure is not None:
                warnings.warn(
                    f"The curves in {str(folder)!r} are not complete: {writer.failure}. The search "
                    "goes on without them.",
                    stacklevel=2,
                )

    def _write_summary(self, outcome: Outcome, start: float) -> None:
        """Writes what the hyperparameters dashboard shows of the trial.

        The dashboard takes the last number of each scalar in a run and in the runs below it. For
        it to show the numbers of the best epoch they have a run of their own, beside the curves.
        """
        with self._writing(self._directory / _BEST) as writer:
            if outcome.objective is not None:
                known = [set(logs) for logs in self._best_logs]
                shown = {
                    name: statistics.fmean(logs[name] for logs in self._best_logs)
                    for name in sorted(set.intersection(*known))
                }
                shown["objective"] = outcome.objective
                writer.add_scalars(self._best_epoch, tuple(shown), list(shown.values()))
            writer.add_hparams(
                {**self._hyperparameters.values, "outcome": outcome.state},
                group=f"trial_{self._number:04d}",
                succeeded=outcome.state != "failed",
                start=start,
                end=start + outcome.seconds,
            )


def _full_disk(error: BaseException | None) -> int | None:
    """The number of the error of a full disk that is behind an exception, or None."""
    while error is not None:
        if is_full(error):
            return getattr(error, "errno", None)
        error = error.__cause__ or error.__context__
    return None


def _epochs_until_validation(arguments: dict[str, Any]) -> int:
    frequency = arguments.get("validation_freq", 1)
    return frequency if is_whole_number(frequency) else max(frequency)
