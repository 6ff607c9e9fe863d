"""Who wants which train steps recorded, and what a recorded step is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class StepRecord:
    """What was measured in one train step.

    Args:
        step: number of the train step, counted over all fits by the optimizer; the first is 0.
        columns: tuple of `Column`, the meaning of `values`, left to right.
        values: float32 vector.
        logs: dict of the metrics as Keras reports them after this step (running means of the
            epoch); empty where several steps make one execution.
        wall_time: seconds since 1970 at which the step was taken.
        examples: None, or a dict with the first examples of the step's batch: `"inputs_000"`,
            `"inputs_001"`, ..., `"targets_000"`, ..., the predictions of the training pass,
            `"predictions_000"`, ..., and the examples' weights, if any, `"weights_000"`, ...
    """

    step: int
    columns: tuple[Any, ...]
    values: np.ndarray
    logs: dict[str, float]
    wall_time: float
    examples: dict[str, Any] | None = None

    def histograms(self) -> dict[Any, tuple[float, float, np.ndarray]]:
        """Dict from `Column` to `(low, high, counts)`."""
        return {
            column: (float(part[0]), float(part[1]), part[2:])
            for column, part in self._split()
            if column.statistic == "histogram"
        }

    def _split(self) -> Iterator[tuple[Any, np.ndarray]]:
        start = 0
        for column in self.columns:
            yield column, self.values[start : start + column.width]
            start += column.width


@dataclass(eq=False)
class Subscription:
    """Who wants which steps.

    Args:
        receive: function of a `StepRecord`, called for each due step, oldest first.
        every: record each step whose number is divisible by it.
        first: record also this many steps from the step `start` on.
        start: see `first`.
        steps_per_epoch: number of steps of an epoch, if known; must be the same in all processes.
        histograms_every: likewise with histograms; None for never.
        layers: names of layers, or layers, whose activations are wanted; None for all.
        passing_on: whether all means also those that have neither weights nor an activation.
        examples: how many examples of the batch each record holds. There are none where several
            steps make one execution on TensorFlow, nor where a `train_step` of the user's own does
            without `compute_metrics`.
        interrupted: function of the error, called when a step raises, after the last record; of
            None, where a callback raised it and another `fit` begins.
        first_batch: function of some examples (see `StepRecord`, without predictions) of the batch
            on which the next step runs, called once before it, while variables can be read. An
            error that it returns is raised in place of the step.
    """

    receive: Callable[[StepRecord], Any]
    every: int
    histograms_every: int | None = None
    layers: Any = None
    passing_on: bool = True
    interrupted: Callable[[BaseException | None], Any] | None = None
    first_batch: Callable[[dict[str, Any]], BaseException | None] | None = None
    examples: int = 0
    first: int = 0
    start: int = 0
    steps_per_epoch: int | None = None
    names: frozenset[str] | None = field(default=None, init=False)

    def settings(self) -> str:
        """What several processes must have in common, as text."""
        return (
            f"every={self.every}, histograms_every={self.histograms_every}, first={self.first}, "
            f"start={self.start}, steps per epoch={self.steps_per_epoch}, "
            f"layers={'all' if self.names is None else sorted(self.names)}"
        )

    def due(self, step: Any) -> Any:
        """Whether the step is recorded; `step` is a number or a tensor."""
        early = (step >= self.start) & (step < self.start + self.first)
        return (step % self.every == 0) | early

    def histograms_due(self, step: Any) -> Any:
        """Whether the step is recorded with histograms; `step` is a number or a tensor."""
        if self.histograms_every is None:
            return False
        return step % self.histograms_every == 0

    def watches(self, name: str, passes_on: bool) -> bool:
        """Whether a layer's activations are wanted; see `WatchedLayer`."""
        if self.names is not None:
            return name in self.names
        return self.passing_on or not passes_on

    def wants(self, column: Any) -> bool:
        """Whether a column is of a layer that was asked for."""
        return column.layer is None or self.watches(column.layer, column.origin.passes_on)
