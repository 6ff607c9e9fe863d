"""What a monitor costs, measured while it runs."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import Any


class CostMeter:
    r"""Meters the time that observing takes from training.

    | tag | meaning |
    |---|---|
    | `monitor/step_time_ratio` | median time of a recorded step over that of a plain one |
    | `monitor/host_share` | share of wall time that the callback's own Python code took |
    | `monitor/writer_share` | share of wall time in which the writer's thread was busy |
    | `monitor/cost_ratio` | estimated training time with the monitor over that without it |

    With \(t_r, t_p\) the median times of recorded and plain steps, \(k\) the number of recorded
    steps, \(h\) the host's time and \(T\) the wall time so far, the cost ratio is
    \(T / (T - h - k \max(t_r - t_p, 0))\). It is not known when every step is recorded. Where
    steps run asynchronously (a GPU) single steps blur into each other and it is a rough guide.

    Args:
        observer: the `TrainStepObserver`.
        writer: the event file's writer.
    """

    def __init__(self, observer: Any, writer: Any) -> None:
        self._observer = observer
        self._writer = writer
        self._start = time.perf_counter()
        self._writer_seconds = writer.seconds  # a writer may have served other fits
        self._host_seconds = 0.0

    @contextlib.contextmanager
    def host_work(self) -> Iterator[None]:
        """Counts the block's time as the monitor's."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._host_seconds += time.perf_counter() - start

    def scalars(self) -> dict[str, float]:
        """Dict from tag to number."""
        wall = time.perf_counter() - self._start
        numbers = {
            "monitor/host_share": self._host_seconds / wall,
            "monitor/writer_share": (self._writer.seconds - self._writer_seconds) / wall,
        }
        recorded = self._observer.step_seconds[True]
        plain = self._observer.step_seconds[False]
        if recorded and plain:
            slower = statistics.median(recorded) - statistics.median(plain)
            lost = self._host_seconds + self._observer.recorded_steps * max(slower, 0.0)
            numbers["monitor/step_time_ratio"] = statistics.median(recorded) / statistics.median(
                plain
            )
            numbers["monitor/cost_ratio"] = wall / max(wall - lost, 1e-9)
        return numbers
