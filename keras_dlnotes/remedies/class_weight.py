"""Classes that count alike, however many examples they have."""

import numpy as np

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    draft.balanced = True


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


CLASS_WEIGHT = Remedy(
    "class_weight", _apply, lambda facts, _: "classes weighted by one over their share"
)
