"""Which scalars of the layers are written beside the tensors, and in which charts they stand."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

CHOICES = ("auto", "all", "worst", "none")
MOST_LAYERS = 32  # all of whose curves one can look at

# A bias that starts at 0 has huge first update ratios, which would flatten all other lines.
_NOT_BIAS = r"(?!.*/bias/)"
_CHARTS = {
    "Layer by layer": {
        "Standard deviation of activations": r"^activations/.*/standard_deviation$",
        "Gradient norm": rf"^gradients/{_NOT_BIAS}.*/norm$",
        "Fraction of zeros (dead units)": r"^activations/.*/zero_fraction$",
        "Update-to-weight ratio": rf"^updates/{_NOT_BIAS}.*/ratio$",
        "Saturated fraction": r"^activations/.*/saturated_fraction$",
        "Gradient norm of biases": r"^gradients/.*/bias/norm$",
    },
    "Training": {"Loss": r"^metrics/.*loss$"},
}

# Of these the worst layers are shown. What a layer of little interest has largest (a mean) is none.
_WORST_OF = (
    "activations/standard_deviation",
    "activations/zero_fraction",
    "activations/saturated_fraction",
    "activations/non_finite_count",
    "gradients/norm",
    "gradients/non_finite_count",
    "weights/norm",
    "updates/ratio",
)
_RANKS: dict[str, Callable[..., Any]] = {"largest": np.max, "median": np.median, "smallest": np.min}
_START_AT_ZERO = ("bias", "beta")


class AllScalars:
    """Every number of a row under its own tag.

    Args:
        chosen: list of `(column, place in the row)`.
    """

    def __init__(self, chosen: list[Any]) -> None:
        self.tags = tuple(column.tag for column, _ in chosen)
        self._places = np.array([place for _, place in chosen], dtype=int)
        self._may_lack = np.array([tag.startswith("updates/") for tag in self.tags], dtype=bool)

    def of(self, values: np.ndarray) -> tuple[tuple[str, ...], list[float]]:
        """The tags and the numbers of a row; the same tags for each row that lacks none."""
        numbers = values[self._places]
        # The update ratio of a weight of norm 0 does not exist; any other NaN is news.
        lacking = np.isnan(numbers) & self._may_lack
        if not lacking.any():
            return self.tags, numbers.tolist()
        kept = np.flatnonzero(~lacking)
        return tuple(self.tags[i] for i in kept), numbers[kept].tolist()


class WorstScalars:
    """The largest, the median and the smallest number among all layers, of each statistic.

    A curve of its own for each layer that is the worst at some step would begin and end anew all
    the time. These have the same tags throughout, and the layers tab names the layer.

    Args:
        chosen: list of `(column, place in the row)`.
    """

    def __init__(self, chosen: list[Any]) -> None:
        groups: dict[str, list[Any]] = {}
        for column, place in chosen:
            groups.setdefault(f"{column.section}/{column.statistic}", []).append((column, place))
        self._groups = []
        for name in _WORST_OF:
            members = groups.get(name, [])
            weights = [m for m in members if _last_name(m[0].origin.variable) not in _START_AT_ZERO]
            places = np.array([place for _, place in weights or members], dtype=int)
            if len(places):
                self._groups.append((name.split("/"), places))
        self.tags = tuple(
            f"{section}/{rank}/{statistic}"
            for (section, statistic), _ in self._groups
            for rank in _RANKS
        )

    def of(self, values: np.ndarray) -> tuple[tuple[str, ...], list[float]]:
        """The tags and the numbers of a row; the same tags for each row that lacks none."""
        tags: list[str] = []
        numbers: list[float] = []
        for (section, statistic), places in self._groups:
            members = values[places]
            if section == "updates":  # see `AllScalars`
                members = members[~np.isnan(members)]
            if len(members):
                tags += [f"{section}/{rank}/{statistic}" for rank in _RANKS]
                numbers += [float(function(members)) for function in _RANKS.values()]
        return (self.tags if len(tags) == len(self.tags) else tuple(tags)), numbers


def layer_scalars(
    choice: str, chosen: list[Any], into_event_file: bool
) -> AllScalars | WorstScalars:
    """What is written of each row.

    Args:
        choice: one of `CHOICES`.
        chosen: list of `(column, place in the row)`.
        into_event_file: whether it goes to an event file, whose size matters.
    """
    if choice == "auto":
        layers = {column.origin.layer for column, _ in chosen}
        few = len(layers) <= MOST_LAYERS
        choice = "all" if few or not into_event_file else "worst"
    if choice == "none":
        return AllScalars([])
    return AllScalars(chosen) if choice == "all" else WorstScalars(chosen)


class Charts:
    """The layout of the custom-scalars dashboard: the charts in which there is something to see."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._seen: set[tuple[str, ...]] = set()

    def with_tags(self, tags: tuple[str, ...]) -> dict[str, dict[str, list[str]]] | None:
        """Takes tags that are written; the layout if they fill a chart that was empty, else None.

        Args:
            tags: tuple of tags.
        """
        if tags in self._seen:
            return None
        self._seen.add(tags)
        filled = {
            title
            for charts in _CHARTS.values()
            for title, pattern in charts.items()
            if any(re.search(pattern, tag) for tag in tags)
        }
        if filled <= self._shown:
            return None
        self._shown |= filled
        layout = {
            category: {title: [p] for title, p in charts.items() if title in self._shown}
            for category, charts in _CHARTS.items()
        }
        return {category: charts for category, charts in layout.items() if charts}


def _last_name(variable: str | None) -> str:
    """`"bias"` of `"query/bias"`: what a composite layer's variable is called in its own layer."""
    return (variable or "").rpartition("/")[2]
