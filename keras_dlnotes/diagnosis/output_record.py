"""Keeps the targets of one output of a model, and some of its predictions."""

from collections import Counter

import numpy as np

_LAST_BATCHES = 8
_MOST_CLASSES = 100
_MOST_UNJUDGED = 40
_MOST_NUMBERS = 1 << 18  # of one batch's predictions that wait to be judged


class OutputRecord:
    """Collects what recorded steps show of one output.

    Attributes:
        lowest: the smallest finite target seen.
        highest: the largest one.
        non_finite: how many targets were not finite.
        class_ratios: for each batch how many different classes it held, and its size.
        class_counts: `Counter` of the classes of all examples that were seen; None once there are
            too many of them, or where targets are amounts, or classes of positions.
        class_hits: for each batch the `Counter` of those that the training pass predicted.
        targets: list of kept batches.
        last_batches: targets and predictions of the training pass, of the last few batches.
        skills: list of `BatchSkill`, of the batches that were judged while they came.
    """

    def __init__(self):
        self.lowest, self.highest = np.inf, -np.inf
        self.non_finite = 0
        self.class_ratios = []
        self.class_counts: Counter | None = Counter()
        self.class_hits: list[Counter] = []
        self.targets = []
        self.last_batches = []
        self.skills = []
        self._unjudged = []

    def look_at(self, targets, prediction, taken=None):
        """Takes note of a batch.

        Args:
            targets: array.
            prediction: array, or None where it is not known.
            taken: how many steps were taken with it, None of a step that is not part of the series.
        """
        finite = targets[np.isfinite(targets)].astype("float64")
        self.non_finite += targets.size - finite.size
        self.lowest = min(self.lowest, finite.min(initial=np.inf))
        self.highest = max(self.highest, finite.max(initial=-np.inf))
        if prediction is not None:
            self._count(targets, prediction)
            self.last_batches = [*self.last_batches[1 - _LAST_BATCHES :], (targets, prediction)]
            if taken is not None:
                self._keep_unjudged(taken, targets, prediction)
        if targets.ndim > 1 and targets.shape[-1] > 1:
            targets = targets.reshape(-1, targets.shape[-1]).argmax(axis=-1)
        self.class_ratios.append((len(np.unique(targets)), targets.size))

    def _keep_unjudged(self, taken, targets, prediction):
        some = slice(max(1, _MOST_NUMBERS * len(prediction) // max(prediction.size, 1)))
        # Copies: a view would keep the whole batch in memory.
        batch = (taken, targets[some].copy(), prediction[some].copy())
        self._unjudged = [*self._unjudged[1 - _MOST_UNJUDGED :], batch]

    def take_unjudged(self):
        """The batches whose skill is not known yet: steps taken, targets and predictions."""
        taken, self._unjudged = self._unjudged, []
        return taken

    def all_targets(self):
        """The targets of all kept examples, alike ones too; None without."""
        if len({batch.shape[1:] for batch in self.targets}) != 1:
            return None
        return np.concatenate(self.targets)

    def _count(self, targets, prediction):
        """Counts examples by class, and those whose class was predicted."""
        if self.class_counts is None:
            return
        pair = _classes(targets, prediction)
        true, guessed = pair if pair is not None else (None, None)
        if true is None or len(self.class_counts) > _MOST_CLASSES:
            self.class_counts, self.class_hits = None, []
            return
        self.class_counts.update(true.tolist())
        self.class_hits.append(Counter(true[true == guessed].tolist()))


def _classes(targets, prediction):
    """Numbers of the true and of the predicted classes; None where targets are amounts."""
    if prediction.ndim == 0 or not np.isfinite(targets).all():
        return None
    units = prediction.shape[-1] if prediction.ndim > 1 else 1
    if prediction.size != len(targets) * units:
        return None  # a class for each position
    if units > 1 and targets.size * units == prediction.size:
        true, guessed = targets.ravel(), prediction.reshape(-1, units).argmax(axis=-1)
    elif units > 1 and targets.shape == prediction.shape:
        one_hot = np.isin(targets, (0, 1)).all() and (targets.sum(axis=-1) == 1).all()
        if not one_hot:
            return None
        true = targets.reshape(-1, units).argmax(axis=-1)
        guessed = prediction.reshape(-1, units).argmax(axis=-1)
    elif units == 1 and targets.size == prediction.size and np.isin(targets, (0, 1)).all():
        true, guessed = targets.ravel(), prediction.ravel() > 0.5
    else:
        return None
    return (true.astype(int), guessed.astype(int)) if np.all(true == np.round(true)) else None
