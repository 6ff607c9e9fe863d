"""Draws a search: objective against each hyperparameter, and best so far against trial."""

import math
from typing import Any

from keras_dlnotes.tuning.results_table import ResultsTable
from keras_dlnotes.tuning.search_objective import SearchObjective

_COLUMNS = 3
_COLORS = {"finished": "tab:blue", "pruned": "tab:orange"}


def figure_of(table: ResultsTable, objective: SearchObjective) -> Any:
    """A Matplotlib `Figure` of a `ResultsTable`.

    Raises:
        ImportError: If Matplotlib is not installed.
        ValueError: If no trial has an objective.
    """
    try:
        from keras_dlnotes.plots.notebook_figure import NotebookFigure
    except ImportError as error:
        raise ImportError(
            "Expected Matplotlib to draw a search; it is not installed. "
            "Install it with: pip install matplotlib"
        ) from error
    rows = [row for row in table if row["objective"] is not None]
    if not rows:
        raise ValueError(
            f"Expected at least one trial with an objective. Received {len(table)} trials without."
        )
    names = list(dict.fromkeys(name for row in rows for name in row["hyperparameters"]))
    height = math.ceil((len(names) + 1) / _COLUMNS)
    size = (4 * min(_COLUMNS, len(names) + 1), 3.2 * height)
    figure = NotebookFigure(figsize=size, layout="constrained")
    panels = figure.subplots(
        height, min(_COLUMNS, len(names) + 1), squeeze=False, sharey=True
    ).ravel()
    _draw_best_so_far(panels[0], rows, objective)
    for panel, name in zip(panels[1:], names, strict=False):
        _draw_parameter(panel, rows, name)
    for panel in panels[len(names) + 1 :]:
        panel.set_visible(False)
    for panel in panels[:: min(_COLUMNS, len(names) + 1)]:
        panel.set_ylabel(objective.name)
    if _spans_decades([row["objective"] for row in rows]):
        panels[0].set_yscale("log")
    return figure


def _draw_best_so_far(panel: Any, rows: list[dict[str, Any]], objective: SearchObjective) -> None:
    for state, color in _COLORS.items():
        chosen = [row for row in rows if row["state"] == state]
        if not chosen:
            continue
        panel.scatter(
            [row["trial"] for row in chosen],
            [row["objective"] for row in chosen],
            s=14,
            color=color,
            label=state,
        )
    finished = [row for row in rows if row["state"] == "finished"]
    best, line = objective.worst, []
    for row in finished:
        best = objective.best([best, row["objective"]])
        line.append(best)
    panel.step([row["trial"] for row in finished], line, where="post", color="k", label="best")
    panel.set_xlabel("trial")
    # Above the panel: inside it would cover points, wherever it is.
    panel.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def _draw_parameter(panel: Any, rows: list[dict[str, Any]], name: str) -> None:
    chosen = [row for row in rows if name in row["hyperparameters"]]
    values = [row["hyperparameters"][name] for row in chosen]
    if any(isinstance(value, bool | str | None) for value in values):
        values = [str(value) for value in values]
    panel.scatter(
        values,
        [row["objective"] for row in chosen],
        s=14,
        color=[_COLORS[row["state"]] for row in chosen],
    )
    if not isinstance(values[0], str) and _spans_decades(values):
        panel.set_xscale("log")
    panel.set_xlabel(name)


def _spans_decades(values: list[Any]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 50
