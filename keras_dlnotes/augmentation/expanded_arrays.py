"""Arrays with augmented copies."""

import keras
import numpy as np


class ExpandedArrays(keras.utils.PyDataset):
    """Batches of originals and augmented copies, drawn from arrays; made by `expand`.

    Args:
        arrays: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
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
        self, arrays, pipeline, copies, keep_original, seed, batch_size, shuffle, **kwargs
    ):
        super().__init__(**kwargs)
        self.arrays = arrays
        self.pipeline = pipeline
        self.variants = copies + keep_original
        self.keep_original = keep_original
        self.seed = seed
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.epoch = 0
        self._order: tuple = (None, None)  # an epoch and its order

    @property
    def num_examples(self):
        """Originals and copies together."""
        return self.variants * len(self.arrays[0])

    def __len__(self):
        return -(-self.num_examples // self.batch_size)

    def __getitem__(self, index):
        """Makes one batch, the same whenever it is asked for in this epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}. Received: {index}.")
        epoch = self.epoch
        chosen = self._epoch_order(epoch)[index * self.batch_size :][: self.batch_size]
        variant, example = np.divmod(chosen, len(self.arrays[0]))
        images, *rest = keras.tree.map_structure(lambda array: array[example], self.arrays)
        original = (variant == 0) & self.keep_original
        generator = np.random.default_rng([self.seed, epoch, index])
        return (augmented(self.pipeline, images, original, generator), *rest)

    def _epoch_order(self, epoch):
        if not self.shuffle:
            # Each example beside its copies, as far as an order is asked for at all.
            return np.arange(self.num_examples).reshape(self.variants, -1).T.ravel()
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.num_examples)
            self._order = (epoch, order)
        return order

    def on_epoch_end(self):
        """Begins new draws."""
        self.epoch += 1


def augmented(pipeline, images, original, generator):
    """Pictures with those that are not `original` transformed, and these cut to the same size."""
    images = np.asarray(images)
    if not original.any():
        return pipeline(images, generator)
    kept = pipeline(images[original], generator, training=False)
    mixed = np.empty((len(images), *kept.shape[1:]), kept.dtype)
    mixed[original] = kept
    if not original.all():
        mixed[~original] = pipeline(images[~original], generator)
    return mixed
