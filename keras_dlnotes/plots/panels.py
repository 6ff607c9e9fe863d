"""Small charts side by side, from plain data: lines with levels, or bars with a threshold."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_COLUMNS = 3
_SIZE = (4.4, 3.4)  # inches of one panel
_FEWEST_BARS = 5
_MOST_NAME = 22  # letters of a bar's name
_DECADES = 100.0
_LEVELS = ("#d80073", "#2e7d32", "0.4", "#7f2704")
_PLAIN: dict[str, Any] = {"parse_math": False}  # a name may hold dollar signs


@dataclass
class Panel:
    """One chart.

    Args:
        title: what it shows.
        lines: triples of a label, places and values.
        bars: pairs of a name and a value; either these or lines.
        levels: pairs of a label and a value that is drawn as a straight line.
        marked: names of the bars, and labels of the lines, that the chart is about.
        across: what the places of lines are.
    """

    title: str
    lines: list[Any] = field(default_factory=list)
    bars: list[Any] = field(default_factory=list)
    levels: list[Any] = field(default_factory=list)
    marked: tuple[Any, ...] = ()
    across: str = "step"

    def numbers(self) -> list[float]:
        """All finite numbers that it shows."""
        shown = [float(v) for _, _, values in self.lines for v in values]
        shown += [float(value) for _, value in [*self.bars, *self.levels]]
        return [value for value in shown if math.isfinite(value)]


def draw_panels(panels: list[Panel], title: str) -> Any:
    """Draws panels with a common title.

    Args:
        panels: list of `Panel`, at least one.
        title: plain text above them.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Expected Matplotlib to draw the evidence; it is not installed. "
            "Install it with: pip install matplotlib"
        ) from error
    columns = 2 if len(panels) == 4 else min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (_SIZE[0] * columns, _SIZE[1] * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(every, panels, strict=False):
        _draw(axes, panel)
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize="medium", **_PLAIN)
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    (_draw_bars if panel.bars else _draw_lines)(axes, panel)
    axes.set_title(panel.title, fontsize="small", **_PLAIN)
    axes.tick_params(labelsize="x-small")
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        # Below the panel: inside it would cover points, wherever it is.
        legend = axes.legend(
            handles,
            labels,
            fontsize="x-small",
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
            ncols=1 if max(map(len, labels)) > 24 else 2,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _draw_lines(axes: Any, panel: Panel) -> None:
    for label, places, values in panel.lines:
        shown = np.where(np.isfinite(np.asarray(values, "float64")), values, np.nan)
        about = not panel.marked or label in panel.marked
        axes.plot(
            places,
            shown,
            marker="." if len(shown) < 40 else None,
            linewidth=1.2 if about else 0.7,
            color=None if about else "0.75",
            zorder=2 if about else 1,
            label=label if about else None,
        )
    for number, (label, value) in enumerate(panel.levels):
        color = _LEVELS[number % len(_LEVELS)]
        axes.axhline(value, color=color, linestyle="--", linewidth=1, label=label)
    axes.set_xlabel(panel.across, fontsize="x-small")
    if _spans_decades(panel.numbers()):
        axes.set_yscale("log", nonpositive="mask")


def _draw_bars(axes: Any, panel: Panel) -> None:
    names = [_shortened(name) for name, _ in panel.bars]
    values = [value if math.isfinite(value) else 0.0 for _, value in panel.bars]
    about = [not panel.marked or name in panel.marked for name, _ in panel.bars]
    places = np.arange(len(values))
    left = 0.0
    if _spans_decades(panel.numbers()):
        axes.set_xscale("log", nonpositive="mask")
        # A bar that begins at 0 has no place on a logarithmic axis.
        left = min(value for value in panel.numbers() if value > 0) / 3.0
    widths = [max(value - left, 0.0) if left else value for value in values]
    colors = ["tab:blue" if one else "0.75" for one in about]
    axes.barh(places, widths, left=left, color=colors)
    axes.set_yticks(places, names, fontsize="x-small", **_PLAIN)
    more = max(0.0, (_FEWEST_BARS - len(values)) / 2)  # or a single bar would fill the chart
    axes.set_ylim(len(values) - 0.4 + more, -0.6 - more)
    for number, (label, value) in enumerate(panel.levels):
        color = _LEVELS[number % len(_LEVELS)]
        axes.axvline(value, color=color, linestyle="--", linewidth=1, label=label)


def _shortened(name: str) -> str:
    """A name of at most so many letters: its ends tell layers of one network apart."""
    half = (_MOST_NAME - 3) // 2
    return name if len(name) <= _MOST_NAME else f"{name[:half]}...{name[-half:]}"


def _spans_decades(values: list[float]) -> bool:
    positive = [value for value in values if value > 0]
    if not positive or min(values) < 0:
        return False
    return max(positive) / min(positive) >= _DECADES
