"""Another dataset's batches with augmented copies."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dlnotes.augmentation.expanded_arrays import augmented
from keras_dlnotes.augmentation.pipeline import Pipeline


class ExpandedBatches(keras.utils.PyDataset):
    """Each batch of a `PyDataset` several times, originals and copies mixed; made by `expand`.

    Each example meets each of its variants once an epoch: a batch of the source comes back as many
    times as there are variants, and each time every example shows another of them.

    Args:
        source: A `keras.utils.PyDataset` of `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        labels: How labels follow their images, as of `expand`.
        pipeline: A `Pipeline`.
        copies: Augmented copies of each example.
        keep_original: Whether the originals are among the examples.
        seed: A whole number; all draws follow from it, the epoch and the batch's number.
        shuffle: Whether the batches come in another order every epoch.

    Example:
    ```python
    train = kd.augmentation.expand(dataset, [kd.augmentation.flip()], copies=2, seed=0)
    model.fit(train, epochs=10)
    ```
    """

    def __init__(
        self,
        source: keras.utils.PyDataset,
        labels: Any,
        pipeline: Pipeline,
        copies: int,
        keep_original: bool,
        seed: int,
        shuffle: bool,
    ) -> None:
        super().__init__(source.workers, source.use_multiprocessing, source.max_queue_size)
        self.source = source
        self.labels = labels
        self.pipeline = pipeline
        self.variants = copies + keep_original
        self.keep_original = keep_original
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    @property
    def num_batches(self) -> int | None:
        """The source's, times the variants; None where it never ends."""
        batches = self.source.num_batches
        return None if batches is None else batches * self.variants

    def __len__(self) -> int:
        return self.num_batches  # type: ignore[return-value]  # endless: Python raises a TypeError

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Makes one batch, the same whenever it is asked for in this epoch."""
        epoch, batches = self.epoch, self.num_batches
        if batches is not None and not 0 <= index < batches:
            raise IndexError(f"Expected a batch from 0 to {batches - 1}. Received: {index}.")
        if self.shuffle and batches is not None:
            index = int(np.random.default_rng([self.seed, epoch]).permutation(batches)[index])
        number, turn = divmod(index, self.variants)
        batch = self.source[number]
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        kinds = self.pipeline.kinds_of(parts, self.labels)
        original = turns(len(parts[0]), self.variants, [self.seed, epoch, number])[turn] == 0
        generator = np.random.default_rng([self.seed, epoch, number, turn])
        return augmented(self.pipeline, parts, kinds, original & self.keep_original, generator)

    def on_epoch_begin(self) -> None:
        """Tells the source."""
        self.source.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Begins new draws."""
        self.source.on_epoch_end()
        self.epoch += 1


def turns(examples: int, variants: int, seed: Sequence[int]) -> np.ndarray:
    """Which variant each example shows at each turn, [variants, examples]: each once."""
    order = np.tile(np.arange(variants)[:, None], (1, examples))
    return np.random.default_rng(seed).permuted(order, axis=0)
