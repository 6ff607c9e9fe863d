"""Keeps the targets of one output of a model, and some of its predictions."""

import numpy as np

_LAST_BATCHES = 8


class OutputRecord:
    """Collects what recorded steps show of one output.

    Attributes:
        lowest: the smallest finite target seen.
        highest: the largest one.
        non_finite: how many targets were not finite.
        class_ratios: for each batch how many different classes it held, and its size.
        targets: list of kept batches.
        last_batches: targets and predictions of the training pass, of the last few batches.
    """

    def __init__(self):
        self.lowest, self.highest = np.inf, -np.inf
        self.non_finite = 0
        self.class_ratios = []
        self.targets = []
        self.last_batches = []

    def look_at(self, targets, prediction):
        """Takes note of a batch; `prediction` is None where it is not known."""
        finite = targets[np.isfinite(targets)].astype("float64")
        self.non_finite += targets.size - finite.size
        self.lowest = min(self.lowest, finite.min(initial=np.inf))
        self.highest = max(self.highest, finite.max(initial=-np.inf))
        if prediction is not None:
            self.last_batches = [*self.last_batches[1 - _LAST_BATCHES :], (targets, prediction)]
        if targets.ndim > 1 and targets.shape[-1] > 1:
            targets = targets.reshape(-1, targets.shape[-1]).argmax(axis=-1)
        self.class_ratios.append((len(np.unique(targets)), targets.size))

    def all_targets(self):
        """The targets of all kept examples, alike ones too; None without."""
        if len({batch.shape[1:] for batch in self.targets}) != 1:
            return None
        return np.concatenate(self.targets)
