"""Keeps what is needed to judge a run while it goes on."""

from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend.dtypes import is_number, widened
from keras_dlnotes.diagnosis.non_finite_trace import NonFiniteTrace
from keras_dlnotes.diagnosis.output_record import OutputRecord
from keras_dlnotes.instrumentation import StepRecord, log_numbers

_MOST_EXAMPLES = 512
_MOST_BYTES = 64 << 20


class RunRecord:
    """Collects recorded steps and epochs of one `fit`.

    Args:
        steps_per_epoch: number of steps of an epoch, None if it is unknown.
        first_step: number of the first step.
        every: the series and the sample are made of the steps whose number is divisible by it; any
            other step is only looked through for numbers that are not finite.
    """

    def __init__(
        self, steps_per_epoch: int | None = None, first_step: int = 0, every: int = 1
    ) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.first_step = first_step
        self.every = every
        self.trace = NonFiniteTrace()
        self.steps = 0  # that were taken, as the callback counts them
        self.planned_steps: int | None = None  # of the whole run, None if they are unknown
        self.statistics: dict[str, list[float]] = {}
        self.statistic_steps: list[int] = []
        self.loss_steps: list[int] = []
        self.losses: list[float] = []
        self.epoch_logs: dict[str, list[float]] = {}
        self.learning_rates: list[float | None] = []
        self.batch_size: int | None = None
        self.inputs: list[list[np.ndarray]] = []  # list over the model's inputs of lists of batches
        self.outputs: list[OutputRecord] = []  # an `OutputRecord` for each output
        self._share = 1.0  # of the batches that is kept
        self._random = np.random.default_rng(0)
        self._running: tuple[int, float] | None = None  # (step in the epoch, running mean loss)
        self.non_finite_inputs = 0
        self.non_numeric: tuple = ()  # of the last batch, see `Evidence`
        self.weighted = False  # whether some examples count more than others

    def add(self, record: StepRecord) -> None:
        """Takes a `StepRecord`."""
        self.trace.add(record)
        if record.step % self.every:
            if record.examples is not None:
                self._count_non_finite(record.examples)
            return
        self.statistic_steps.append(record.step)
        place = len(self.statistic_steps) - 1
        start = 0
        for column in record.columns:
            if column.width == 1:
                series = self.statistics.setdefault(column.tag, [])
                series += [np.nan] * (place - len(series))  # a tag that some steps do not have
                series.append(float(record.values[start]))
            start += column.width
        self._add_loss(record)
        if record.examples is not None:
            self.add_examples(record.examples, record.step - self.first_step + 1)

    def add_epoch(self, logs: dict[str, Any] | None, learning_rate: float | None) -> None:
        """Takes an epoch's logs."""
        for name, value in log_numbers(logs).items():
            self.epoch_logs.setdefault(name, []).append(value)
        self.learning_rates.append(learning_rate)
        self._running = None

    def _add_loss(self, record):
        """The mean loss since the last recorded step, from two running means of one epoch."""
        mean = record.logs.get("loss")
        if mean is None:
            return
        number = record.step - self.first_step
        count = number % self.steps_per_epoch + 1 if self.steps_per_epoch else number + 1
        before, mean_before = 0, 0.0
        if self._running is not None and self._running[0] < count:
            before, mean_before = self._running
        self.loss_steps.append(record.step)
        self.losses.append((mean * count - mean_before * before) / (count - before))
        self._running = (count, mean)

    def _count_non_finite(self, examples):
        """Counts what is not finite in a step that is not part of the sample."""
        inputs, targets = (
            [_to_host(examples[key]) for key in sorted(examples) if key.startswith(name)]
            for name in ("inputs", "targets")
        )
        if not all(is_number(part.dtype) for part in inputs + targets):
            return
        self.non_finite_inputs += sum(int(np.sum(~np.isfinite(part))) for part in inputs)
        for output, part in zip(self.outputs, targets, strict=False):
            output.non_finite += int(np.sum(~np.isfinite(part)))

    def add_examples(self, examples: dict[str, Any], taken: int | None = None) -> None:
        """Takes examples of a batch, named as in `StepRecord.examples`, after so many steps."""
        inputs, targets, predictions = (
            [_to_host(examples[key]) for key in sorted(examples) if key.startswith(name)]
            for name in ("inputs", "targets", "predictions")
        )
        weights = [_to_host(v) for key, v in examples.items() if key.startswith("weights")]
        self.weighted |= any(np.ptp(part) > 0 for part in weights)
        if targets:
            self.batch_size = max(self.batch_size or 0, len(targets[0]))
        self.non_numeric = tuple(
            ("targets", str(a.dtype)) for a in targets if not is_number(a.dtype)
        )
        if not targets or not all(is_number(a.dtype) for a in inputs + targets):
            return
        self.non_finite_inputs += sum(int(np.sum(~np.isfinite(a))) for a in inputs)
        if not self.outputs:
            self.inputs = [[] for _ in inputs]
            self.outputs = [OutputRecord() for _ in targets]
        if len(predictions) != len(targets):
            predictions = [None] * len(targets)
        for output, target, guessed in zip(self.outputs, targets, predictions, strict=True):
            output.look_at(target, guessed, taken)
        if self._random.random() >= self._share:
            return
        for kept, batch in zip(self.inputs, inputs, strict=True):
            kept.append(batch)
        for output, batch in zip(self.outputs, targets, strict=True):
            output.targets.append(batch)
        self._thin_out()

    def _thin_out(self):
        """Keeps half of the batches once there are enough, so that the whole run is sampled.

        Which half is drawn: of epochs of 8 batches every second one would be the same 4 for ever.
        """
        while (first := self.outputs[0].targets)[1:] and (
            sum(len(batch) for batch in first) > 2 * _MOST_EXAMPLES or self._bytes() > _MOST_BYTES
        ):
            self._share /= 2
            places = np.sort(self._random.permutation(len(first))[: (len(first) + 1) // 2])
            self.inputs = [[kept[place] for place in places] for kept in self.inputs]
            for output in self.outputs:
                output.targets = [output.targets[place] for place in places]

    def _bytes(self):
        return sum(batch.nbytes for kept in self.inputs for batch in kept)

    def sample(self) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
        """Different examples of the run: lists of input and target arrays; None without."""
        targets = [output.all_targets() for output in self.outputs]
        if not targets or any(part is None for part in targets):
            return None
        if any(len({batch.shape[1:] for batch in kept}) > 1 for kept in self.inputs):
            return None  # sequences of several lengths: no matrix can be made of them
        parts = [np.concatenate(kept) for kept in self.inputs] + targets
        seen, places = set(), []
        for i in range(len(targets[0])):
            key = hash(tuple(part[i].tobytes() for part in parts))
            if key not in seen:
                seen.add(key)
                places.append(i)
        if len(places) > _MOST_EXAMPLES:
            # Evenly over the run: the first ones alone may be of one class.
            chosen = np.linspace(0, len(places) - 1, _MOST_EXAMPLES).astype(int)
            places = [places[i] for i in chosen]
        parts = [part[places] for part in parts]
        return parts[: len(self.inputs)], parts[len(self.inputs) :]


def _to_host(tensor):
    return widened(keras.ops.convert_to_numpy(tensor))
