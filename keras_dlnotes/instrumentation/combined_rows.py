"""One row of statistics from those of all replicas."""

import numpy as np

from keras_dlnotes.instrumentation.step_tape import ELEMENT_COUNT
from keras_dlnotes.measures import COMBINED, combined_histogram

_HISTOGRAM = "histogram"


class CombinedRows:
    """Combines the rows that several replicas measured in one step.

    Activations are of different parts of the batch; all else (gradients after their reduction,
    weights, updates) is the same on all replicas.

    Args:
        columns: tuple of `Column`, the meaning of each replica's row.

    Attributes:
        columns: tuple of `Column`, the meaning of the combined row.
    """

    def __init__(self, columns):
        self.columns = tuple(c for c in columns if c.statistic != ELEMENT_COUNT)
        starts = np.cumsum([0] + [column.width for column in columns]).tolist()
        places = {c.tag: start for c, start in zip(columns, starts, strict=False)}
        self._kept = np.concatenate(
            [
                np.arange(start, start + column.width)
                for column, start in zip(columns, starts, strict=False)
                if column.statistic != ELEMENT_COUNT
            ]
            or [np.zeros(0, int)]
        )
        self._histograms = []  # (place, width, place of the count)
        self._groups: dict[str, list] = {}  # statistic: (place, place of the count, of the mean)
        self._same: list[int] = []
        for column, start in zip(columns, starts, strict=False):
            tensor = f"{column.section}/{column.name}/"
            count = places.get(tensor + ELEMENT_COUNT)
            if column.statistic == ELEMENT_COUNT:
                continue
            if count is None:
                self._same += range(start, start + column.width)
            elif column.statistic == _HISTOGRAM:
                self._histograms.append((start, column.width, count))
            else:
                entry = (start, count, places[tensor + "mean"])
                self._groups.setdefault(column.statistic, []).append(entry)

    def combine(self, rows):
        """The combined row.

        Args:
            rows: array with one row a replica.
        """
        combined = rows[0].copy()
        with np.errstate(over="ignore"):  # a float32 may not hold what float64 holds
            for statistic, entries in self._groups.items():
                place, count, mean = np.array(entries).T
                combined[place] = COMBINED[statistic](rows[:, count], rows[:, place], rows[:, mean])
            for start, width, count in self._histograms:
                part = slice(start, start + width)
                combined[part] = combined_histogram(rows[:, count], rows[:, part])
        return combined[self._kept]

    def agree(self, rows):
        """Whether all replicas have the same gradients, but for rounding."""
        same = rows[:, self._same]
        return np.allclose(same, same[:1], rtol=1e-3, atol=1e-6, equal_nan=True)
