"""The layers tab's two views as Matplotlib figures."""

import os
from typing import Any

import numpy as np

from keras_dlnotes_layers import VIEWS, LayerHistory, history_of
from keras_dlnotes_layers.event_files import read_run

_MOST_NAMES = 30  # more would overlap in a figure of the default size
_NAMES = {"fontsize": 6, "parse_math": False}  # a name may hold dollar signs


def layers_over_steps(
    run: Any, statistic: str = "activation_scale", figsize: tuple[float, float] = (10, 6)
) -> Any:
    r"""Draws one statistic of every layer over the recorded steps: rows layers, columns steps.

    Colours: blue below the healthy band, grey in it, orange above; where the literature names no
    band, dark to bright on a logarithmic scale. Exactly 0 is black, and magenta is not finite.

    Args:
        run: the `log_dir` of a `TrainingMonitor`, a `MemoryWriter`, or a `LayerHistory`.
        statistic: `"activation_scale"`, `"gradient_norm"`, `"update_ratio"`, `"zero_fraction"`,
            `"saturated_fraction"`, `"non_finite"` or `"weight_norm"`.
        figsize: width and height in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if the run has no such statistic.

    Example:
    ```python
    kd.plots.layers_over_steps("logs/first", "gradient_norm").savefig("layers.png")
    ```
    """
    figure_class, colors = _matplotlib()
    history, view = _chosen(run, statistic)
    values = history.views[statistic].T
    figure = figure_class(figsize=figsize, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("white")
    map_, norm = _color_scale(view, values, colors)
    finite = np.ma.masked_where(~np.isfinite(values) | _is_dead(view, values), values)
    edges = _edges(history.steps)
    rows = np.arange(len(values) + 1) - 0.5
    image = axes.pcolormesh(edges, rows, finite, cmap=map_, norm=norm, rasterized=True)
    for mask, color, label in (
        (_is_dead(view, values), "black", _dead_label(view)),
        (np.isinf(values), "#d80073", "not finite"),
    ):
        if mask.any():
            single = colors.ListedColormap([color])
            axes.pcolormesh(
                edges, rows, np.ma.masked_where(~mask, mask), cmap=single, rasterized=True
            )
            axes.plot([], [], "s", color=color, label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.08), ncols=2, frameon=False)
    axes.set_ylim(len(values) - 0.5, -0.5)
    places = np.unique(np.linspace(0, len(values) - 1, min(_MOST_NAMES, len(values))).astype(int))
    axes.set_yticks(places, [history.layers[place]["name"] for place in places], **_NAMES)
    axes.set_xlabel("step")
    axes.set_ylabel("layer")
    axes.set_title(view.title)
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_label(_band_text(view))
    return figure


def scale_by_depth(
    runs: Any,
    statistic: str = "activation_scale",
    step: int = -1,
    figsize: tuple[float, float] = (10, 4.5),
) -> Any:
    """Draws one statistic by depth, at one step: does the signal fade or grow from layer to layer?

    Args:
        runs: a run as in `layers_over_steps`, or a dict from a name to a run.
        statistic: as in `layers_over_steps`.
        step: the recorded step that is nearest to this number; -1 for the last.
        figsize: width and height in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if Matplotlib is not installed.
        ValueError: if a run has no such statistic.

    Example:
    ```python
    kd.plots.scale_by_depth({"He": "logs/he", "Xavier": "logs/xavier"}, step=0)
    ```
    """
    figure_class, _ = _matplotlib()
    named = runs if isinstance(runs, dict) else {"": runs}
    figure = figure_class(figsize=figsize, layout="constrained")
    axes = figure.subplots()
    longest: list[str] = []
    for name, run in named.items():
        history, view = _chosen(run, statistic)
        row = len(history.steps) - 1 if step < 0 else int(np.argmin(abs(history.steps - step)))
        values = history.views[statistic][row].astype(float)
        known = ~np.isnan(values)
        names = [layer["name"] for layer, keep in zip(history.layers, known, strict=True) if keep]
        label = f"{name}, step {history.steps[row]}" if name else f"step {history.steps[row]}"
        shown = np.where(np.isfinite(values[known]), values[known], np.nan)
        axes.plot(np.arange(len(shown)), shown, marker=".", label=label)
        longest = max(longest, names, key=len)
    if view.scale == "log":
        axes.set_yscale("log", nonpositive="mask")
    if view.healthy:
        axes.axhspan(*view.healthy, color="0.9", zorder=0, label="healthy")
    places = np.unique(np.linspace(0, len(longest) - 1, min(_MOST_NAMES, len(longest))).astype(int))
    axes.set_xticks(places, [longest[place] for place in places], rotation=90, **_NAMES)
    axes.set_xlabel("layer")
    axes.set_ylabel(view.title)
    for text in axes.legend().get_texts():
        text.set_parse_math(False)
    return figure


def _chosen(run: Any, statistic: str) -> tuple[LayerHistory, Any]:
    history = history_of_run(run)
    views = {view.name: view for view in VIEWS}
    if statistic not in history.views:
        raise ValueError(
            f"`statistic` must be one that the run has: {', '.join(history.views)}. Received: "
            f"{statistic!r}."
        )
    return history, views[statistic]


def history_of_run(run: Any) -> LayerHistory:
    """What is known of a run that is given as in `layers_over_steps`.

    Raises:
        FileNotFoundError: if a folder holds no event file.
        ValueError: if a run has no layer statistics, or is none.
    """
    if isinstance(run, LayerHistory):
        return run
    series = getattr(run, "layers", None)
    if series is not None:
        return history_of(series)
    if isinstance(run, str | os.PathLike):
        return read_run(run)[0]
    raise ValueError(
        "`run` must be the `log_dir` of a TrainingMonitor, a MemoryWriter or a LayerHistory. "
        f"Received: {run!r}."
    )


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import colors

        from keras_dlnotes.plots.notebook_figure import NotebookFigure
    except ImportError as error:
        raise ImportError(
            "Expected Matplotlib to draw layers; it is not installed. "
            "Install it with: pip install matplotlib"
        ) from error
    return NotebookFigure, colors


def _color_scale(view: Any, values: np.ndarray, colors: Any) -> tuple[Any, Any]:
    if view.scale == "share":
        map_ = colors.LinearSegmentedColormap.from_list("share", ["#e8eaed", "#2166ac"])
        return map_, colors.Normalize(0, 1)
    positive = values[np.isfinite(values) & (values > 0)]
    if view.healthy is None:
        low, high = (positive.min(), positive.max()) if positive.size else (1e-3, 1.0)
        return "cividis", colors.LogNorm(low, max(high, low * 1.01))
    low, high = np.log10(view.healthy)
    # Four decades on each side of the band.
    places = [0, 4 / (8 + high - low), (4 + high - low) / (8 + high - low), 1]
    stops = list(zip(places, ["#053061", "#e8eaed", "#e8eaed", "#7f2704"], strict=True))
    map_ = colors.LinearSegmentedColormap.from_list("healthy", stops)
    return map_, colors.LogNorm(10 ** (low - 4), 10 ** (high + 4))


def _is_dead(view: Any, values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return values >= 0.999 if view.scale == "share" else values == 0


def _dead_label(view: Any) -> str:
    if view.scale == "share":
        return "dead: all are 0" if view.name == "zero_fraction" else "all are saturated"
    return "exactly 0" if view.name != "non_finite" else "all finite"


def _band_text(view: Any) -> str:
    return (
        view.title
        if view.healthy is None
        else f"healthy: {view.healthy[0]:g} to {view.healthy[1]:g}"
    )


def _edges(steps: np.ndarray) -> np.ndarray:
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    middle = (steps[:-1] + steps[1:]) / 2
    return np.concatenate(
        [[steps[0] - (middle[0] - steps[0])], middle, [2 * steps[-1] - middle[-1]]]
    )
