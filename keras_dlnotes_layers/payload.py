"""What the page needs of a run, as JSON and as bytes; the tab and the report use the same."""

import base64
import math

import numpy as np

from keras_dlnotes_layers.look_first import REASONS, look_first
from keras_dlnotes_layers.views import VIEWS


def summary(history, findings=()):
    """All but the matrices: layers, steps, views, what to look at first, findings.

    Args:
        history: a `LayerHistory`.
        findings: list of dicts as `Finding.to_dict` makes them.

    Returns:
        A dict that JSON can hold.
    """
    return {
        "layers": history.layers,
        "steps": history.steps.tolist(),
        "views": [_view(view, history.views[view.name]) for view in VIEWS if view.name in history.views],
        "look_first": [
            {
                "layer": notice.layer,
                "step": notice.step,
                "view": notice.view,
                "reason": notice.reason,
                "text": REASONS[notice.reason],
                "value": _number(notice.value),
                "usual": _number(notice.usual),
                "others": notice.others,
            }
            for notice in look_first(history)
        ],
        "findings": list(findings),
    }  # fmt: skip


def matrix(history, view):
    """A view's matrix as little-endian float32, row by row, one row a step."""
    return np.ascontiguousarray(history.views[view], "<f4").tobytes()


def layer_details(history, layer):
    """All recorded statistics of one layer over time.

    Args:
        history: a `LayerHistory`.
        layer: its place in `history.layers`.

    Returns:
        Dict with `"steps"` and `"series"`, a list of dicts with `name` and `values`; None stands
        for a number that was not finite or not recorded.
    """
    from keras_dlnotes_layers.history import row_name

    name = history.layers[layer]["name"]
    series = []
    for tag, (rows, numbers) in history.parts.items():
        for place, row in enumerate(rows):
            if row_name(row) == name:
                section, statistic = tag.split("/", 1)
                owner = row.get("variable") or section
                label = f"{owner}: {statistic}" if "variable" not in row else (
                    f"{row['variable']}: {section[:-1]} {statistic}"
                )
                series.append(
                    {"name": label, "values": [_number(value) for value in numbers[:, place].tolist()]}
                )
    return {"steps": history.steps.tolist(), "series": series}


def embedded(history, findings=()):
    """Everything in one dict, for a page that asks no server."""
    return {
        "summary": summary(history, findings),
        "matrices": {
            name: base64.b64encode(matrix(history, name)).decode() for name in history.views
        },
        "details": [layer_details(history, layer) for layer in range(len(history.layers))],
    }


def _view(view, values):
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1e-3, 1.0)
    return {
        "name": view.name,
        "title": view.title,
        "scale": view.scale,
        "healthy": view.healthy,
        "source": view.source,
        "low": low,
        "high": high,
    }


def _number(value):
    return value if value is not None and math.isfinite(value) else None
