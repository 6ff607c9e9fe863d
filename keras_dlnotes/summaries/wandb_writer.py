"""Sends numbers to a run of Weights & Biases."""

from collections.abc import Sequence
from typing import Any

from keras_dlnotes.summaries.event_protos import bin_edges

# The x-axis of all charts. The number that W&B itself counts rises with each call, and a call for
# a smaller one is dropped; callbacks that share a writer do not write in the order of the steps.
_STEP = "train_step"


class WandbWriter:
    """Sends numbers, histograms and texts to a run of Weights & Biases.

    Each tag becomes a chart over `train_step`, in the section before its first slash:
    `activations`, `gradients`, `metrics`, ... Histograms are `wandb.Histogram`s, texts are strings
    in the history and the summary of the run. NaN and infinite numbers are logged as they are.
    What only TensorBoard has a place for, the layers tab and the layout of its custom charts, is
    left out. For a network of many layers pass `scalars="worst"` to the monitor, since each number
    of each layer becomes a chart.

    The run is the user's: it is started before `fit` and finished after it, and a second `fit`
    goes on in the run that is active then. In a training of several processes the first one needs
    a run, and only it writes.

    No step is given to `Run.log`, which drops what comes for an earlier step than the last. So a
    resumed run may repeat steps: both are kept, and charts draw both. Calls of your own
    must leave `step=` out too, or name a step of their own by `define_metric`, since each
    call of this writer raises the number that W&B counts.

    Args:
        run: what `wandb.init` returned; None for the run that is active when `fit` starts.

    Raises:
        ImportError: if wandb is not installed.
        RuntimeError: when `fit` starts, if there is no run.

    Example:
    ```python
    import wandb
    from keras_dlnotes.summaries import WandbWriter

    with wandb.init(project="digits"):
        monitor = kd.callbacks.TrainingMonitor(writer=WandbWriter())
        model.fit(x, y, callbacks=[monitor])
    ```
    """

    def __init__(self, run: Any = None) -> None:
        _wandb()
        self._given = run
        self._run: Any = None
        self._sections: set[str] = set()  # those whose charts have an x-axis

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._given,)  # a run can be copied, but not pickled

    def open(self) -> None:
        """Takes the run that is active; a callback calls it when `fit` starts."""
        run = _wandb().run if self._given is None else self._given
        if run is None:
            raise RuntimeError(
                "Expected a run of Weights & Biases to write to; none is active. Call "
                "wandb.init(project=...) before `fit`, or pass its result as `run`."
            )
        if run is not self._run:
            self._run, self._sections = run, set()

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """Logs one number under each tag; W&B notes the time of the call."""
        self._log(step, {tag: float(n) for tag, n in zip(tags, numbers, strict=True)})

    def add_histogram(
        self,
        step: int,
        tag: str,
        low: float,
        high: float,
        counts: Any,
        wall_time: float | None = None,
    ) -> None:
        """Logs a histogram of equal bins between `low` and `high`."""
        edges, counts = bin_edges(low, high, counts)
        histogram = _wandb().Histogram(np_histogram=(counts, edges))
        self._log(step, {tag: histogram})

    def add_text(self, step: int, tag: str, text: str, wall_time: float | None = None) -> None:
        """Logs a text as a string."""
        self._log(step, {tag: text})

    def flush(self) -> None:
        """Does nothing: W&B's own process holds what was logged and decides when it is written."""

    def close(self) -> None:
        """Does nothing: the run is finished where it was started."""

    def _log(self, step: int, values: dict[str, Any]) -> None:
        if self._run is None:
            self.open()
        if not self._sections:
            self._run.define_metric(_STEP, hidden=True)
        for section in {_section(tag) for tag in values} - self._sections:
            self._run.define_metric(section, step_metric=_STEP)
            self._sections.add(section)
        self._run.log({**values, _STEP: int(step)})


def _section(tag: str) -> str:
    """What `define_metric` takes for all tags that begin alike."""
    head, slash, _ = tag.partition("/")
    return f"{head}/*" if slash else head


def _wandb() -> Any:
    try:
        import wandb

        wandb.Histogram  # noqa: B018, a folder of old runs named wandb can be imported too
    except (ImportError, AttributeError) as error:
        raise ImportError(
            "Expected wandb to send numbers to Weights & Biases; it is not installed. "
            "Install it with: pip install wandb"
        ) from error
    return wandb
