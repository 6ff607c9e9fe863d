"""What kind of thing the targets are, from a sample of them."""

import numpy as np

from keras_dlnotes.backend.dtypes import widened
from keras_dlnotes.diagnosis.facts import LabelFacts

_MOST_CLASSES = 100  # more different whole numbers than this are amounts, not classes


def label_facts(targets: np.ndarray, loss: str | None = None) -> LabelFacts:
    """Looks at a sample of targets, the first axis the examples'.

    Args:
        targets: array.
        loss: name of the loss that they are for. For a sparse one each number is a class; for any
            other, or None, the last axis may be that of the classes.

    Returns:
        `LabelFacts`.
    """
    targets = widened(np.asarray(targets))
    columns_are_classes = not (loss or "").startswith("sparse")
    values = targets.astype("float64")
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        finite = np.zeros(1)
    return LabelFacts(
        kind=_kind(targets, finite, columns_are_classes),
        classes=_classes(targets, columns_are_classes),
        low=float(finite.min()),
        high=float(finite.max()),
        shape=tuple(targets.shape[1:]),
        mean=float(finite.mean()),
        deviation=float(finite.std()),
        whole=bool(np.all(finite == np.round(finite))),
    )


def _kind(targets, finite, columns_are_classes):
    distinct = np.unique(finite)
    if len(distinct) == 1 and targets.size == targets.shape[0]:
        return "constant"
    columns = targets.shape[-1] if targets.ndim > 1 and columns_are_classes else 1
    if columns > 1 and finite.size == targets.size:
        sums = targets.sum(axis=-1)
        if set(distinct) <= {0.0, 1.0}:
            return "one_hot" if np.all(sums == 1) else "multi_hot"
        if distinct[0] >= 0 and np.allclose(sums, 1, atol=1e-3):
            return "shares"
    if set(distinct) <= {0.0, 1.0}:
        return "binary"
    if set(distinct) == {-1.0, 1.0}:
        return "signed"
    whole = np.all(distinct == np.round(distinct))
    few = len(distinct) <= min(_MOST_CLASSES, max(3, targets.shape[0] // 3))
    contiguous = distinct[0] in (0, 1) and distinct[-1] - distinct[0] < 2 * len(distinct)
    return "integers" if whole and few and contiguous else "real"


def _classes(targets, columns_are_classes):
    if (
        columns_are_classes
        and targets.ndim > 1
        and targets.shape[-1] > 1
        and set(np.unique(targets)) <= {0, 1}
    ):
        return int(np.any(targets.reshape(-1, targets.shape[-1]) > 0, axis=0).sum())
    return len(np.unique(targets))
