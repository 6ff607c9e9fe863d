"""Remedies that change how `fit` goes through the examples."""

from typing import Any

import numpy as np

from keras_dlnotes.remedies.draft import Draft, Remedy


def _set_batch_size(draft: Draft, size: int) -> None:
    draft.batch_size = size


def _train_longer(draft: Draft, times: int) -> None:
    draft.longer *= times


def _shuffle(draft: Draft, shuffle: bool) -> None:
    draft.shuffle = shuffle


def _balance(draft: Draft, _: Any) -> None:
    draft.balanced = True


def _stop_early(draft: Draft, _: Any) -> None:
    draft.stops_early = True


def balanced_weights(targets: np.ndarray) -> dict[int, float]:
    r"""The weight \(n / (k n_c)\) of each of k classes with \(n_c\) of n examples.

    Args:
        targets: numbers of classes, or a column a class.
    """
    columns = targets.ndim > 1 and targets.shape[-1] > 1
    labels = targets.argmax(axis=-1) if columns else np.ravel(targets)
    classes, counts = np.unique(labels.astype(int), return_counts=True)
    weights = len(labels) / (len(classes) * counts)
    return {int(label): float(weight) for label, weight in zip(classes, weights, strict=True)}


BATCH_SIZE = Remedy(
    "batch_size", _set_batch_size, lambda facts, size: f"batches of {size} examples"
)
EPOCHS = Remedy("epochs", _train_longer, lambda facts, times: f"{times} times as many epochs")
SHUFFLE = Remedy("shuffle", _shuffle, lambda facts, _: "examples shuffled before each epoch")
CLASS_WEIGHT = Remedy(
    "class_weight", _balance, lambda facts, _: "classes weighted by one over their share"
)
EARLY_STOPPING = Remedy(
    "early_stopping",
    _stop_early,
    lambda facts, _: "the end of training when the validation loss rises, and its best weights",
)
