"""Looks for the target among the columns of a table."""

import numpy as np

from keras_dlnotes.diagnosis.facts import Leak

_FEWEST = 50  # examples; among fewer a column may fit by chance
_MOST_COLUMNS = 200  # more are pixels or words
_ROUNDING = 1e-5


def leak_of(inputs, targets, classes):
    """The `Leak` of a table's column that tells the target exactly; None if there is none.

    Args:
        inputs: list of the inputs' arrays.
        targets: matrix of the targets, one column a class where they are classes.
        classes: whether they are.
    """
    if any(len(part) != len(targets) for part in inputs):
        return None
    tables = [
        (number, part)
        for number, part in enumerate(inputs)
        if part.ndim == 2 and 1 < part.shape[1] <= _MOST_COLUMNS and part.dtype.kind in "fiub"
    ]
    if len(targets) < _FEWEST or targets.shape[1] > _MOST_COLUMNS:
        return None
    tells = _tells_class if classes else _tells_amount
    for number, part in tables:
        values = part.astype("float64")
        if not np.isfinite(values).all():
            continue
        columns = [place for place, column in enumerate(values.T) if tells(column, targets)]
        # Where half of the columns tell it, that is what there is to learn.
        if columns and 2 * len(columns) < values.shape[1]:
            return Leak(number, columns[0])
    return None


def _tells_class(column, targets):
    """Whether it has one value in each class, and another in another."""
    labels = targets.argmax(axis=1) if targets.shape[1] > 1 else targets[:, 0] > 0.5
    of_classes = [np.unique(column[labels == label]) for label in np.unique(labels)]
    if len(of_classes) < 2 or any(len(values) > 1 for values in of_classes):
        return False
    return len(np.unique(np.concatenate(of_classes))) == len(of_classes)


def _tells_amount(column, targets):
    """Whether it is the target in another unit, as in cents or with the other sign."""
    if targets.shape[1] != 1 or np.ptp(column) == 0 or np.ptp(targets) == 0:
        return False
    amounts = targets[:, 0]
    # An offset, as of a line that is to be learned, is no unit.
    unit = amounts @ column / (amounts @ amounts)
    return bool(np.max(np.abs(column - unit * amounts)) <= _ROUNDING * np.max(np.abs(column)))
