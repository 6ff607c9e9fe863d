"""The trials of a study as rows, and what is printed of them."""

import datetime
import time
from collections.abc import Iterable
from typing import Any, cast

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from keras_dlnotes.backend.messages import tell
from keras_dlnotes.tuning.search_objective import SearchObjective

_STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
OUTCOME = "outcome"
_CELL_WIDTH = 60


class ResultsTable(list[dict[str, Any]]):
    """A list with one dict for each trial, in the order in which they began.

    When to use it: `print(search.results())` reads as a table; `pandas.json_normalize` makes a
    data frame of it. A row has the keys `trial`, `state` (`"finished"`, `"pruned"`, `"failed"` or
    `"running"`), `objective`, `executions` (the objective of each training), `hyperparameters`,
    `epochs`, `seconds` and `message` (why it failed). A pruned trial's objective is the best until
    it was ended, and never counts as the search's best.

    Args:
        rows: the dicts.
        objective: name of the objective, for the table's head.

    Example:
    ```python
    table = search.results()
    print(table)
    failed = [row["message"] for row in table if row["state"] == "failed"]
    ```
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), objective: str = "objective") -> None:
        super().__init__(rows)
        self.objective = objective

    def __str__(self) -> str:
        """The table, aligned."""
        names = list(dict.fromkeys(name for row in self for name in row["hyperparameters"]))
        head = ["trial", "state", self.objective, *names, "epochs", "seconds", "message"]
        body = [
            [
                row["trial"],
                row["state"],
                row["objective"],
                *(row["hyperparameters"].get(name, "") for name in names),
                row["epochs"],
                round(row["seconds"], 2),
                row["message"],
            ]
            for row in self
        ]
        lines = [[_cell(value) for value in line] for line in [head, *body]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def table_of(study: Study, objective: str = "objective") -> ResultsTable:
    """The table of an Optuna study."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        outcome = trial.user_attrs.get(OUTCOME, {})
        rows.append(
            {
                "trial": trial.number,
                "state": _STATES[trial.state],
                "objective": outcome.get("objective"),
                "executions": outcome.get("executions", []),
                "hyperparameters": dict(trial.params),
                "epochs": outcome.get("epochs", 0),
                "seconds": outcome.get("seconds", 0.0),
                "message": outcome.get("message", ""),
            }
        )
    return ResultsTable(rows, objective)


def best_of(study: Study) -> FrozenTrial | None:
    """The study's best finished trial, the first of equals; None if none has finished."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    return min(finished, key=lambda trial: sign * cast(float, trial.value), default=None)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL_WIDTH else text[: _CELL_WIDTH - 1] + "…"


class SearchProgress:
    """Prints one line for each trial: its outcome, the best so far, the time left.

    Args:
        objective: the `SearchObjective`.
        max_trials: number of trials to reach, or None.
        ended_before: number of trials that had ended when this run began.
        verbose: 0 prints nothing.
    """

    def __init__(
        self, objective: SearchObjective, max_trials: int | None, ended_before: int, verbose: int
    ) -> None:
        self._objective = objective
        self._max_trials = max_trials
        self._ended_before = ended_before
        self._verbose = verbose
        self._start = time.monotonic()
        if verbose and ended_before:
            tell(f"Resuming after {ended_before} trials.")

    def report(self, number: int, table: ResultsTable) -> None:
        """Prints the line of a trial; `table` has all trials."""
        if not self._verbose:
            return
        row = table[number]
        ended = sum(other["state"] not in ("running", "waiting") for other in table)
        parts = [f"{ended}/{self._max_trials}" if self._max_trials else f"{ended}"]
        if row["state"] == "failed":
            parts.append(f"trial {row['trial']} failed: " + row["message"].split("\n")[0][:120])
        else:
            parts.append(
                f"trial {row['trial']} {row['state']}, "
                f"{self._objective.name} {row['objective']:.6g}"
            )
        finished = [other for other in table if other["state"] == "finished"]
        if finished:
            best = self._objective.best(other["objective"] for other in finished)
            first = next(other["trial"] for other in finished if other["objective"] == best)
            parts.append(f"best {best:.6g} (trial {first})")
        parts.append(self._time_left(ended))
        tell(" | ".join(parts))

    def interrupted(self) -> None:
        """Says that the same call goes on."""
        if self._verbose:
            tell("Interrupted. The same call goes on where this one stopped.")

    def _time_left(self, ended: int) -> str:
        passed = time.monotonic() - self._start
        if self._max_trials is None:
            return f"{_clock(passed)} passed"
        # Other workers' trials count: together they are as fast as they have been.
        each = passed / max(ended - self._ended_before, 1)
        return f"{_clock(each * max(self._max_trials - ended, 0))} left"


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
