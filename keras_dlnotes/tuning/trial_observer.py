"""Follows one `fit` of a trial: its curve, its best epoch, and whether to go on."""

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.instrumentation import log_numbers
from keras_dlnotes.tuning.search_objective import SearchObjective


class TrialObserver(keras.callbacks.Callback):
    """Records the logs of each epoch and ends a training that has nothing to hope for.

    Training is ended through `model.stop_training`, never by raising, so that every callback's
    `on_train_end` runs.

    Args:
        objective: the `SearchObjective`.
        writer: takes the curves; an `EventFileWriter`.
        first_epoch_with_objective: number of epochs after which the logs must have the objective.
        threshold: weights are kept at epochs whose objective is better than this number.
        hopeless: function from epoch and objective to whether to end the trial, or None.
    """

    def __init__(
        self,
        objective: SearchObjective,
        writer: Any,
        first_epoch_with_objective: int,
        threshold: float,
        hopeless: Callable[[int, float], bool] | None = None,
    ) -> None:
        super().__init__()
        self._objective = objective
        self._writer = writer
        self._due = first_epoch_with_objective
        self._threshold = threshold
        self._hopeless = hopeless
        self.best = objective.worst
        self.best_weights: list[Any] | None = None
        self.best_epoch = 0
        self.best_logs: dict[str, float] = {}
        self.seen = False
        self.last_logs: dict[str, float] = {}
        self.epochs = 0
        self.failure: str | None = None
        self.pruned = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record, and decide whether to go on."""
        numbers = log_numbers(logs)
        self.epochs = epoch + 1
        self.last_logs = numbers
        self._writer.add_scalars(epoch, tuple(numbers), list(numbers.values()))
        if self._objective.name not in numbers:
            if not self.seen and self.epochs >= self._due:
                self.model.stop_training = True
            return
        self.seen = True
        value = numbers[self._objective.name]
        if not math.isfinite(value):
            self.failure = f"{self._objective.name} was {value} after epoch {self.epochs}"
            self.model.stop_training = True
            return
        if self._objective.better(value, self.best):
            self.best, self.best_epoch, self.best_logs = value, epoch, numbers
            if self._objective.better(value, self._threshold):
                self.best_weights = self.model.get_weights()
        if self._hopeless is None:
            return
        # An accuracy stays finite when the weights do not.
        is_dead = not math.isfinite(numbers.get("loss", 0.0))
        if is_dead or self._hopeless(self.epochs, value):
            self.pruned = True
            self.model.stop_training = True
