"""Keeps what is needed to judge a run while it goes on."""

import keras
import numpy as np

_MOST_EXAMPLES = 512
_MOST_BYTES = 64 << 20
_LAST_BATCHES = 8


class RunRecord:
    """Collects recorded steps and epochs of one `fit`.

    Args:
        steps_per_epoch: number of steps of an epoch, None if it is unknown.
        first_step: number of the first step.
    """

    def __init__(self, steps_per_epoch=None, first_step=0):
        self.steps_per_epoch = steps_per_epoch
        self.first_step = first_step
        self.steps = 0  # that were taken, as the callback counts them
        self.statistics = {}
        self.statistic_steps = []
        self.loss_steps = []
        self.losses = []
        self.epoch_logs = {}
        self.learning_rates = []
        self.batch_size = None
        self.lowest_target, self.highest_target = np.inf, -np.inf
        self.class_ratios = []  # (different classes of a batch, its size)
        self.inputs = []  # list over the model's inputs of lists of batches
        self.targets = []
        self.last_batches = []  # (targets, predictions of the training pass), a few
        self._stride = 1
        self._seen = 0
        self._running = None  # (step within the epoch, running mean of the loss)
        self.non_finite_inputs = 0
        self.non_finite_targets = 0

    def add(self, record):
        """Takes a `StepRecord`."""
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
            self._add_examples(record.examples)

    def add_epoch(self, logs, learning_rate):
        """Takes an epoch's logs."""
        for name, value in logs.items():
            if value is not None and np.size(value) == 1:
                self.epoch_logs.setdefault(name, []).append(float(np.asarray(value).item()))
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

    def _add_examples(self, examples):
        inputs, targets, predictions = (
            [_to_host(examples[key]) for key in sorted(examples) if key.startswith(name)]
            for name in ("inputs", "targets", "predictions")
        )
        if targets:
            self.batch_size = max(self.batch_size or 0, len(targets[0]))
        if len(targets) != 1 or not all(_is_numeric(a) for a in inputs + targets):
            return
        self.non_finite_inputs += sum(int(np.sum(~np.isfinite(a))) for a in inputs)
        self.non_finite_targets += int(np.sum(~np.isfinite(targets[0])))
        finite = targets[0][np.isfinite(targets[0])].astype("float64")
        self.lowest_target = min(self.lowest_target, finite.min(initial=np.inf))
        self.highest_target = max(self.highest_target, finite.max(initial=-np.inf))
        self.last_batches = [*self.last_batches[1 - _LAST_BATCHES :], (targets[0], predictions)]
        self._count_classes(targets[0])
        self._seen += 1
        if self._seen % self._stride:
            return
        if not self.inputs:
            self.inputs = [[] for _ in inputs]
        for kept, batch in zip(self.inputs, inputs, strict=True):
            kept.append(batch)
        self.targets.append(targets[0])
        self._thin_out()

    def _thin_out(self):
        """Keeps every second batch once there are enough, so that the whole run is sampled."""
        count = sum(len(batch) for batch in self.targets)
        size = sum(batch.nbytes for kept in self.inputs for batch in kept)
        while len(self.targets) > 1 and (count > 2 * _MOST_EXAMPLES or size > _MOST_BYTES):
            self._stride *= 2
            self.inputs = [kept[::2] for kept in self.inputs]
            self.targets = self.targets[::2]
            count = sum(len(batch) for batch in self.targets)
            size = sum(batch.nbytes for kept in self.inputs for batch in kept)

    def _count_classes(self, targets):
        if targets.ndim > 1 and targets.shape[-1] > 1:
            targets = targets.reshape(-1, targets.shape[-1]).argmax(axis=-1)
        self.class_ratios.append((len(np.unique(targets)), targets.size))

    def all_targets(self):
        """The targets of all kept examples, alike ones too; None without."""
        if len({batch.shape[1:] for batch in self.targets}) != 1:
            return None
        return np.concatenate(self.targets)

    def sample(self):
        """Different examples of the run: a list of input arrays, and targets; None without."""
        if not self.targets:
            return None
        shapes = {batch.shape[1:] for batch in self.targets}
        shapes |= {(i, *b.shape[1:]) for i, kept in enumerate(self.inputs) for b in kept}
        if len(shapes) > 1 + len(self.inputs):
            return None  # sequences of several lengths: no matrix can be made of them
        inputs = [np.concatenate(kept) for kept in self.inputs]
        targets = np.concatenate(self.targets)
        seen, places = set(), []
        for i in range(len(targets)):
            key = hash((targets[i].tobytes(), *(part[i].tobytes() for part in inputs)))
            if key not in seen:
                seen.add(key)
                places.append(i)
        if len(places) > _MOST_EXAMPLES:
            # Evenly over the run: the first ones alone may be of one class.
            chosen = np.linspace(0, len(places) - 1, _MOST_EXAMPLES).astype(int)
            places = [places[i] for i in chosen]
        return [part[places] for part in inputs], targets[places]


def _to_host(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _is_numeric(array):
    return array.dtype.kind in "fiub"
