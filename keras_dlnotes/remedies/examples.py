"""Examples to train short runs on, and others to measure them with."""

from dataclasses import dataclass

import numpy as np

from keras_dlnotes.diagnosis import sort_keys

_FEWEST = 40  # to hold some out


@dataclass(frozen=True)
class Examples:
    """Examples to train on, and others to measure with.

    Args:
        inputs: list of arrays, one an input of the model.
        targets: array.
        held_out: the same pair of examples that are not trained on; None measures on those that
            are.
    """

    inputs: list[np.ndarray]
    targets: np.ndarray
    held_out: tuple[list[np.ndarray], np.ndarray] | None = None

    @classmethod
    def split(cls, inputs: list[np.ndarray], targets: np.ndarray) -> "Examples":
        """Holds a quarter of the examples out, as many of each class; of fewer than 40, none."""
        if len(targets) < _FEWEST:
            return cls(inputs, targets)
        out = np.zeros(len(targets), bool)
        out[sorted_places(targets)[1::4]] = True
        kept = ~out
        return cls(
            [part[kept] for part in inputs],
            targets[kept],
            ([part[out] for part in inputs], targets[out]),
        )

    def in_whole_batches(self, size: int) -> "Examples":
        """As many to measure with as fill batches; those trained on, where that is none."""
        if self.held_out is None:
            return self
        inputs, targets = self.held_out
        whole = len(targets) // size * size
        held_out = ([part[:whole] for part in inputs], targets[:whole]) if whole else None
        return Examples(self.inputs, self.targets, held_out)

    def at_most(self, count: int) -> "Examples":
        """No more than so many to train on, evenly chosen."""
        if len(self.targets) <= count:
            return self
        chosen = np.linspace(0, len(self.targets) - 1, count).astype(int)
        inputs = [part[chosen] for part in self.inputs]
        return Examples(inputs, self.targets[chosen], self.held_out)


def sorted_places(targets: np.ndarray) -> np.ndarray:
    """Places of the examples in the order of their classes or amounts, at random among equals."""
    return np.lexsort((np.random.default_rng(0).random(len(targets)), sort_keys(targets)))
