"""What the page needs of a run, as JSON and as bytes; the tab and the report use the same."""

import base64
import math

import numpy as np

from keras_dlnotes_layers.history import row_name
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
        "views": [_view(v, history.views[v.name]) for v in VIEWS if v.name in history.views],
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
    }


def matrix(history, view):
    """A view's matrix as little-endian float32, row by row, one row a step."""
    return np.ascontiguousarray(history.views[view], "<f4").tobytes()


def layer_details(history, layer, most_steps=1000):
    """All recorded statistics of one layer over time.

    Args:
        history: a `LayerHistory`.
        layer: its place in `history.layers`.
        most_steps: at most so many steps, evenly chosen, the first and the last among them.

    Returns:
        Dict with `"steps"` and `"series"`, a list of dicts with `name` and `values`; None stands
        for a number that was not finite or not recorded.
    """
    name = history.layers[layer]["name"]
    count = len(history.steps)
    chosen = np.unique(np.linspace(0, count - 1, min(count, most_steps)).astype(int))
    series = []
    for tag, (rows, numbers) in history.parts.items():
        for place, row in enumerate(rows):
            if row_name(row) == name:
                values = [_number(float(f"{x:.5g}")) for x in numbers[chosen, place].tolist()]
                series.append({"name": _label(tag, row), "values": values})
    return {"steps": history.steps[chosen].tolist(), "series": series}


def histogram_tags(history, layer):
    """Where the histograms of one layer stand, if any were recorded.

    Args:
        history: a `LayerHistory`.
        layer: its place in `history.layers`.

    Returns:
        Dict from a histogram's tag in the event file to what the page calls it.
    """
    name = history.layers[layer]["name"]
    return {
        f"{section}/{row['tag']}/histogram": _label(f"{section}/histogram", row)
        for section in ("activations", "gradients")
        for tag, (rows, _) in history.parts.items()
        if tag.startswith(f"{section}/")
        for row in rows
        if row_name(row) == name and "tag" in row
    }


def histograms_over_steps(name, data, most_steps=50):
    """One histogram at several steps.

    Args:
        name: what the page calls it.
        data: list of `(step, table)`, a table with a row `[left, right, count]` for each of its
            equal bins.
        most_steps: at most so many steps, evenly chosen, the first and the last among them.

    Returns:
        Dict with `name`, and lists with one entry a step: `steps`, `low` and `high` (the smallest
        and the largest number), and `shares` (of the numbers in each bin between them). Where all
        numbers are alike, `low` is `high`, and there is one bin.
    """
    # A step that was written twice counts as it was written last.
    some = [(step, table) for step, table in data if len(table) and table[:, 2].any()]
    known = dict(sorted(some, key=lambda pair: pair[0]))
    steps = list(known)
    places = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), most_steps)).astype(int))
    found: dict = {"name": name, "steps": [], "low": [], "high": [], "shares": []}
    for step in (steps[place] for place in places):
        left, right, counts = known[step].T
        low, high = float(left[0]), float(right[-1])
        if len(counts) == 1:  # written with a width that it does not have
            low = high = (low + high) / 2
        found["steps"].append(step)
        found["low"].append(low)
        found["high"].append(high)
        found["shares"].append([float(f"{share:.3g}") for share in counts / counts.sum()])
    return found


def _label(tag, row):
    section, statistic = tag.replace("_", " ").split("/", 1)
    what = section if "variable" in row else "output"
    output = f" {row['output']}" if "output" in row else ""
    owner = f"{row['variable']}, {what}" if "variable" in row else f"{what}{output}"
    return f"{owner}: {statistic}"


def embedded(history, findings=()):
    """Everything in one dict, for a page that asks no server."""
    return {
        "summary": summary(history, findings),
        "matrices": {
            name: base64.b64encode(matrix(history, name)).decode() for name in history.views
        },
        "details": [
            layer_details(history, layer, most_steps=200) for layer in range(len(history.layers))
        ],
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
