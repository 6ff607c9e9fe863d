"""When a run that is not over is looked at, and what its learning rate will be."""

import math
from typing import Any

from keras_dlnotes.diagnosis import check_steps, learning_rates_to_come

_RECORDED_STEPS = 100  # of a run, whatever its length
_UNKNOWN_PERIOD = 10  # every how many steps, where the length of the run is unknown


def recording_period(steps_per_epoch: int | None, epochs: int) -> int:
    """Every how many steps one is recorded."""
    if steps_per_epoch is None:
        return _UNKNOWN_PERIOD
    period = max(1, steps_per_epoch * epochs // _RECORDED_STEPS)
    while math.gcd(period, steps_per_epoch) > 1:  # or each epoch would show the same batches
        period += 1
    return period


class EarlyLooks:
    """The moments of one `fit` at which a diagnosis looks for what is sure already.

    These are shares of its steps, also within an epoch, and the ends of epochs 1, 2, 4, 8, ..., the
    only ones as long as the length of an epoch is unknown. They depend on nothing but the number
    of steps, so that processes which train together look together.

    Args:
        epochs: number of epochs of the run.
        steps_per_epoch: number of steps of an epoch, None if it is unknown.
        rate: the learning rate before the first step; None without one.
    """

    def __init__(self, epochs: int, steps_per_epoch: int | None, rate: float | None) -> None:
        self.planned_steps: int | None = None
        self._epochs = epochs
        self._begun = self._ended = 0
        self._next_epoch = 1
        self._before = self._taken = 0  # steps before the epoch, and at the last look
        self._steps: list[int] = []
        self._rates = [(0, rate)]
        self._plan(steps_per_epoch)

    def _plan(self, steps_per_epoch: int | None) -> None:
        if steps_per_epoch is not None:
            self.planned_steps = steps_per_epoch * self._epochs
            self._steps = check_steps(self.planned_steps)

    def begin_epoch(self, taken: int) -> None:
        """Takes note of how many steps were taken when an epoch begins."""
        self._begun += 1
        self._before = taken

    def due(self, batch: int) -> bool:
        """Whether to look after a batch of this number in its epoch."""
        self._taken = self._before + batch + 1
        waiting = [step for step in self._steps if step > self._taken]
        due, self._steps = len(waiting) < len(self._steps), waiting
        return due

    def due_after_epoch(self, taken: int) -> bool:
        """Whether to look at the end of an epoch, after so many steps."""
        self._ended += 1
        if self.planned_steps is None:
            self._plan(taken)
        if self._ended < self._next_epoch:
            return False
        self._next_epoch = 2 * self._ended
        return True

    def note_rate(self, rate: float | None) -> None:
        """Takes note of the learning rate that was seen at a look."""
        self._rates.append((self._taken, rate))

    def known_rates(self, model: Any) -> tuple[Any, ...]:
        """Pairs of steps taken and learning rate; empty as long as a callback may yet raise it.

        Callbacks change the rate between epochs, but not that of a schedule, which is asked.
        """
        if not self.planned_steps:
            return ()
        scheduled = learning_rates_to_come(model, self._taken, self.planned_steps)
        if not scheduled and self._epochs > 1 and self._begun < 2:
            return ()
        seen = tuple(pair for pair in self._rates if pair[1] is not None)
        return (*seen, *scheduled) or ((0, 1.0),)  # a train step that needs none
