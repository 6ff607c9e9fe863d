"""One process's part in a search: takes a trial, runs it, writes down how it ended."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from typing import Any, cast

from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from keras_dlnotes.tuning import internals
from keras_dlnotes.tuning.hyperparameters import HyperParameters
from keras_dlnotes.tuning.pruning import hopeless_by
from keras_dlnotes.tuning.results_table import OUTCOME, best_of
from keras_dlnotes.tuning.trial_run import Outcome, TrialPlan, TrialRun
from keras_dlnotes.tuning.weights_folder import remove_weights, save_weights

_STATES = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class SearchWorker:
    """Runs trials of a study, one after the other, while other workers may do the same.

    A trial is marked as running in the study and claimed by its worker before anything of it
    happens, and marked as ended when all of it is on disk. So whatever moment a worker is killed
    at, its trial is found marked as running and unclaimed, and is run again from its beginning
    with the same values and seeds.

    Args:
        plan: the `TrialPlan` of the search.
        study: its Optuna study.
        claims: `FileClaims` or `PostgresClaims` on the study's trials.
        is_over: function of the study that says whether no new trial is wanted.
    """

    def __init__(
        self, plan: TrialPlan, study: Study, claims: Any, is_over: Callable[[Study], bool]
    ) -> None:
        self._plan = plan
        self._study = study
        self._claims = claims
        self._is_over = is_over

    def run_next(self) -> int | None:
        """Runs one trial; returns its number, or None if there is none left.

        Raises:
            OSError: If it cannot be stored, with what it had come to.
        """
        trial, outcome = None, None
        try:
            with contextlib.ExitStack() as turn, contextlib.ExitStack() as claim:
                turn.enter_context(self._claims.turn())
                trial, release = self._next_trial()
                if trial is None:
                    return None
                claim.callback(release)
                if not self._plan.complete_builds:
                    turn.close()
                run = self._prepare(trial)
                outcome = run.run(after_build=turn.close)
                self._finish(trial, run, outcome)
                outcome = None  # it is stored
            return trial.number
        except (OSError, StorageInternalError, SQLAlchemyError) as error:
            message = self._not_stored(trial, outcome, error)
            number = getattr(error, "errno", None)
            raise OSError(*filter(None, (number, message))) from error

    def _not_stored(self, trial: Any, outcome: Outcome | None, error: Exception) -> str:
        result = ""
        if outcome is not None:
            result = f"Trial {trial.number} {outcome.state} with {trial.params}, "
            result += outcome.message or f"{self._plan.objective.name} {outcome.objective:.6g}"
            result += ", and was not stored. "
        # Optuna speaks of invalid data whatever a database refuses.
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(cause or error).partition("\n")[0]
        return (
            f"The search stopped, because what it found could not be stored ({reason}). {result}"
            "The trials that had ended before are kept. When the disk has room, "
            f"{str(self._plan.directory)!r} can be written to and the database answers, call run "
            "again with the same arguments: it goes on, and runs again what was not stored."
        )

    def _next_trial(self) -> tuple[Any, Any]:
        """A trial that was interrupted, or else a new one, and what gives up the claim on it."""
        for found in self._trials(TrialState.RUNNING):
            release = self._claims.claim(found.number)
            if release is None:
                continue  # its worker is alive
            if self._trials()[found.number].state == TrialState.RUNNING:
                return Trial(self._study, internals.id_of_trial.of(found)), release
            release()  # it ended while we looked
        if self._is_over(self._study):
            return None, None
        trial = self._study.ask()
        return trial, self._claims.claim(trial.number)

    def _prepare(self, trial: Trial) -> TrialRun:
        plan = self._plan
        directory = plan.directory_of(trial.number)
        if directory.is_symlink():
            directory.unlink()  # what it points to is not ours
        shutil.rmtree(directory, ignore_errors=True)  # half a curve of an interrupted trial
        best = best_of(self._study)
        return TrialRun(
            plan,
            trial.number,
            HyperParameters(trial, plan.space, plan.complete_builds),
            threshold=plan.objective.worst if best is None else cast(float, best.value),
            hopeless=hopeless_by(self._study, trial) if plan.prunes else None,
        )

    def _finish(self, trial: Trial, run: TrialRun, outcome: Outcome) -> None:
        if outcome.state == "finished" and run.best_model is not None:
            save_weights(run.best_model, self._plan.directory_of(trial.number))
        trial.set_user_attr(OUTCOME, dataclasses.asdict(outcome) | {"traceback": ""})
        value = outcome.objective if outcome.state == "finished" else None
        self._study.tell(trial, value, state=_STATES[outcome.state])
        best = best_of(self._study)
        for other in self._trials(TrialState.COMPLETE):
            if best is not None and other.number != best.number:
                remove_weights(self._plan.directory_of(other.number))

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)
