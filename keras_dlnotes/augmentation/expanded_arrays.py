"""Arrays with augmented copies."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dlnotes.augmentation.moving_labels import as_before, as_pixels, image_size
from keras_dlnotes.augmentation.pipeline import Pipeline


class ExpandedArrays(keras.utils.PyDataset):
    """Batches of originals and augmented copies, drawn from arrays; made by `expand`.

    Args:
        arrays: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        kinds: What `kinds_of` says of the labels and weights.
        pipeline: A `Pipeline`.
        copies: Augmented copies of each example.
        keep_original: Whether the originals are among the examples.
        seed: A whole number; all draws follow from it, the epoch and the batch's number.
        batch_size: Examples in a batch.
        shuffle: Whether originals and copies of the whole set are mixed, anew every epoch.
        **kwargs: `workers` and so on, as of `keras.utils.PyDataset`.

    Example:
    ```python
    train = kd.augmentation.expand((x, y), [kd.augmentation.flip()], copies=2, seed=0)
    model.fit(train, epochs=10)
    ```
    """

    def __init__(
        self,
        arrays: tuple[Any, ...],
        kinds: Sequence[str],
        pipeline: Pipeline,
        copies: int,
        keep_original: bool,
        seed: int,
        batch_size: int,
        shuffle: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arrays = arrays
        self.kinds = kinds
        self.pipeline = pipeline
        self.variants = copies + keep_original
        self.keep_original = keep_original
        self.seed = seed
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.epoch = 0
        self._order: tuple[Any, ...] = (None, None)  # an epoch and its order

    @property
    def num_examples(self) -> int:
        """Originals and copies together."""
        return self.variants * len(self.arrays[0])

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Makes one batch, the same whenever it is asked for in this epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}. Received: {index}.")
        epoch = self.epoch
        chosen = self._epoch_order(epoch)[index * self.batch_size :][: self.batch_size]
        variant, example = np.divmod(chosen, len(self.arrays[0]))
        parts = keras.tree.map_structure(
            lambda array: None if array is None else array[example], self.arrays
        )
        original = (variant == 0) & self.keep_original
        generator = np.random.default_rng([self.seed, epoch, index])
        return augmented(self.pipeline, parts, self.kinds, original, generator)

    def _epoch_order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            # Each example beside its copies, as far as an order is asked for at all.
            return np.arange(self.num_examples).reshape(self.variants, -1).T.ravel()
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.num_examples)
            self._order = (epoch, order)
        return order

    def on_epoch_end(self) -> None:
        """Begins new draws."""
        self.epoch += 1


def augmented(
    pipeline: Pipeline,
    parts: Sequence[Any],
    kinds: Sequence[str],
    original: np.ndarray,
    generator: np.random.Generator,
) -> tuple[Any, ...]:
    """A batch with the images transformed that are not `original`, and these cut to their size.

    Args:
        pipeline: A `Pipeline`.
        parts: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        kinds: What `kinds_of` says of the labels and weights.
        original: Which examples stay as they are, [n] booleans.
        generator: A NumPy random generator.

    Returns:
        The parts, with labels and weights moved along.
    """
    images, *rest = parts
    images = np.asarray(images)
    layout = (image_size(images.shape, pipeline.channels_first), pipeline.channels_first)
    leaves = keras.tree.flatten(rest)
    moving = {
        index: as_numpy(leaf)
        for index, (leaf, kind) in enumerate(zip(leaves, kinds, strict=True))
        if kind != "fixed"
    }
    companions = [(kinds[index], as_pixels(leaf, *layout)) for index, leaf in moving.items()]

    def transformed(chosen: np.ndarray, training: bool) -> list[np.ndarray]:
        chosen_companions = [(kind, array[chosen]) for kind, array in companions]
        new, moved = pipeline(images[chosen], chosen_companions, generator, training)
        return [new, *moved]

    found = [(original, transformed(original, training=False))] if original.any() else []
    if not original.all():
        found.append((~original, transformed(~original, training=True)))
    new = []
    for index, first in enumerate(found[0][1]):
        if first.shape[1:] != found[-1][1][index].shape[1:]:
            raise ValueError(
                "Expected originals and copies of one size. Received: shapes "
                f"{first.shape[1:]} and {found[-1][1][index].shape[1:]}. Use kd.augmentation.crop, "
                "which cuts originals too (keras.layers.RandomCrop leaves them as they are), or "
                "`keep_original=False`."
            )
        mixed = np.empty((len(images), *first.shape[1:]), first.dtype)
        for chosen, arrays in found:
            mixed[chosen] = arrays[index]
        new.append(mixed)
    for (index, leaf), pixels in zip(moving.items(), new[1:], strict=True):
        leaves[index] = as_before(pixels, leaf, *layout)
    return (new[0], *keras.tree.pack_sequence_as(rest, leaves))


def as_numpy(array: Any) -> np.ndarray:
    """An array of any backend as NumPy's."""
    return array if isinstance(array, np.ndarray) else keras.ops.convert_to_numpy(array)
