"""Says after each trial how the search stands."""

import datetime
import time

from keras_dlnotes.tuning.results_table import ResultsTable
from keras_dlnotes.tuning.search_objective import SearchObjective


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
            print(f"Resuming after {ended_before} trials.", flush=True)

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
        print(" | ".join(parts), flush=True)

    def interrupted(self) -> None:
        """Says that the same call goes on."""
        if self._verbose:
            print("Interrupted. The same call goes on where this one stopped.", flush=True)

    def _time_left(self, ended: int) -> str:
        passed = time.monotonic() - self._start
        if self._max_trials is None:
            return f"{_clock(passed)} passed"
        # Other workers' trials count: together they are as fast as they have been.
        each = passed / max(ended - self._ended_before, 1)
        return f"{_clock(each * max(self._max_trials - ended, 0))} left"


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
