"""Sends numbers to a run of MLflow."""

import re
import time
from collections.abc import Sequence
from typing import Any

_METRICS_PER_REQUEST = 1000  # MLflow refuses more
_SECONDS_BETWEEN_REQUESTS = 5.0


class MLflowWriter:
    """Sends numbers and texts to a run of MLflow.

    Each tag becomes a metric of that name; characters that MLflow does not allow in it become
    `_`. A text becomes an artifact, `<tag>.md`, which the next text of the same tag replaces.
    MLflow has no histograms: a `TrainingMonitor` with `histograms_every` refuses this writer. What
    only TensorBoard has a place for, the layers tab and the layout of its custom charts, is left
    out. For a network of many layers pass `scalars="worst"` to the monitor, since each number of
    each layer becomes a metric.

    The run is the one that is active when `fit` starts, otherwise one that is started then and
    stays active, as with MLflow's own functions. A second `fit` goes on in the run that is active
    then. A resumed run may repeat steps: MLflow keeps both numbers. In a training of several
    processes only the first one starts a run and writes.

    Numbers are sent together, when 1000 are held or 5 seconds have passed, when a `fit` ends or
    raises, and when the interpreter exits: a process that is killed loses those that are held.

    Args:
        run_id: the run to write to, instead of the active one.

    Raises:
        ImportError: if MLflow is not installed.
        mlflow.exceptions.MlflowException: when `fit` starts, if there is no run `run_id`, or none
            can be started.

    Example:
    ```python
    import mlflow
    from keras_dlnotes.summaries import MLflowWriter

    with mlflow.start_run():
        monitor = kd.callbacks.TrainingMonitor(writer=MLflowWriter())
        model.fit(x, y, callbacks=[monitor])
    ```
    """

    def __init__(self, run_id: str | None = None) -> None:
        _mlflow()
        self._given = run_id
        self._run_id: str | None = None
        self._held: list[Any] = []
        self._next_request = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._given,)  # numbers that are held belong to the original

    def open(self) -> None:
        """Takes the active run, or starts one; a callback calls it when `fit` starts."""
        mlflow = _mlflow()
        if self._given is not None:
            run = mlflow.get_run(self._given)
        else:
            run = mlflow.active_run() or mlflow.start_run()
        if run.info.run_id != self._run_id:
            if self._held:
                self.flush()
            self._run_id = run.info.run_id

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """Adds one number under each tag."""
        if self._run_id is None:
            self.open()
        milliseconds = int(1000 * (time.time() if wall_time is None else wall_time))
        metric = _mlflow().entities.Metric
        self._held += [
            metric(_name(tag), float(number), milliseconds, int(step))
            for tag, number in zip(tags, numbers, strict=True)
        ]
        if len(self._held) >= _METRICS_PER_REQUEST or time.monotonic() >= self._next_request:
            self.flush()

    def add_text(self, step: int, tag: str, text: str, wall_time: float | None = None) -> None:
        """Puts a text in Markdown into the artifact `<tag>.md`."""
        if self._run_id is None:
            self.open()
        _mlflow().MlflowClient().log_text(self._run_id, text, f"{_name(tag)}.md")

    def flush(self) -> None:
        """Sends the numbers that are held; those that MLflow refuses are not sent again."""
        held, self._held = self._held, []
        client = _mlflow().MlflowClient()
        for start in range(0, len(held), _METRICS_PER_REQUEST):
            part = held[start : start + _METRICS_PER_REQUEST]
            client.log_batch(self._run_id, metrics=part)
        self._next_request = time.monotonic() + _SECONDS_BETWEEN_REQUESTS

    def close(self) -> None:
        """Sends the numbers that are held; the run is ended where it was started."""
        self.flush()


def _name(tag: str) -> str:
    return re.sub(r"[^\w.\- /]", "_", tag)


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise ImportError(
            "Expected MLflow to send numbers to it; it is not installed. "
            "Install it with: pip install mlflow"
        ) from error
    return mlflow
