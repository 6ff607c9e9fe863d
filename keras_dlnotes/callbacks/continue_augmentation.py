"""Lets an expanded training set go on where training goes on."""

from typing import Any

from keras_dlnotes.augmentation.expanded_arrays import ExpandedArrays
from keras_dlnotes.augmentation.expanded_batches import ExpandedBatches
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback


class ContinueAugmentation(CopyableCallback):
    """Draws each epoch's augmentation by the number of the epoch in `fit`.

    Use it with `keras.callbacks.BackupAndRestore` or `initial_epoch`: an expanded set counts its
    own epochs, from 0 in each new process, and would repeat the first draws where training is
    resumed. With a `seed` and this callback, a resumed training gets the images that it would
    have got (`shuffle=False` in `fit`: the set is shuffled already, and `fit` would shuffle its
    batches without the seed). A second `fit` from epoch 0 repeats the draws.

    Args:
        data: What `kd.augmentation.expand` made of arrays or of a `PyDataset`. (A
            `tf.data.Dataset` cannot be told the epoch.)

    Raises:
        TypeError: if it is something else.

    Example:
    ```python
    train = kd.augmentation.expand((x, y), [kd.augmentation.flip()], seed=0)
    backup = keras.callbacks.BackupAndRestore("backup")
    more = kd.callbacks.ContinueAugmentation(train)
    model.fit(train, epochs=10, shuffle=False, callbacks=[backup, more])
    ```
    """

    def __init__(self, data: ExpandedArrays | ExpandedBatches) -> None:
        super().__init__()
        if not isinstance(data, (ExpandedArrays, ExpandedBatches)):
            raise TypeError(
                "Expected what kd.augmentation.expand made of arrays or of a PyDataset. "
                f"Received: {type(data).__name__}."
            )
        self.data = data

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tells the set the epoch, before it makes the first batch of it."""
        self.data.epoch = epoch
