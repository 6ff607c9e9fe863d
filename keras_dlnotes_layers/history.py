"""The statistics of every layer over the recorded steps of one run."""

from dataclasses import dataclass, field

import numpy as np

from keras_dlnotes_layers.groups import groups_of
from keras_dlnotes_layers.views import VIEWS


@dataclass
class LayerHistory:
    """What is known of one run.

    Args:
        layers: list of dicts with `name`, `type` and `group`, in the order of the network.
        steps: vector of the recorded steps' numbers, rising.
        views: dict from the name of a `View` to a matrix (steps, layers): NaN where nothing is
            known, infinity where a number was not finite.
        parts: dict from a recorded statistic's tag to `(rows, matrix)` as they were written.
    """

    layers: list[dict]
    steps: np.ndarray
    views: dict[str, np.ndarray]
    parts: dict[str, tuple[list[dict], np.ndarray]] = field(default_factory=dict)


def history_of(series):
    """Puts the written tensors of a run together.

    Args:
        series: dict from tag to `(rows, [(step, vector), ...])`, as written by `layer_value`.

    Returns:
        `LayerHistory`. Of a step that was written twice the later writing counts; a vector of
        another length than the rows (another model wrote into the same folder) is left out.
    """
    parts: dict[str, tuple[list, np.ndarray]] = {}
    layers: dict[str, str] = {}
    steps = sorted(
        {
            step
            for rows, data in series.values()
            for step, vector in data
            if len(vector) == len(rows)
        }
    )
    place = {step: number for number, step in enumerate(steps)}
    for tag, (rows, data) in series.items():
        matrix = np.full((len(steps), len(rows)), np.nan, "f4")
        for step, vector in data:
            if len(vector) == len(rows):
                # What a view takes for a gap is NaN, so a recorded NaN is kept as infinity; the
                # ratio of a weight of norm 0 is the one number that does not exist.
                unknown = np.nan if tag == "updates/ratio" else np.inf
                matrix[place[step]] = np.where(np.isnan(vector), unknown, vector)
        parts[tag] = rows, matrix
    for rows, _ in sorted(
        parts.values(), key=lambda part: "variable" in part[0][0] if part[0] else 1
    ):
        for row in rows:
            _insert(layers, row)
    names = list(layers)
    entries = [
        {"name": name, "type": layers[name], "group": group}
        for name, group in zip(names, groups_of(names), strict=True)
    ]
    views = {view.name: _view(view, parts, names, len(steps)) for view in VIEWS}
    known = {name: matrix for name, matrix in views.items() if not np.isnan(matrix).all()}
    return LayerHistory(entries, np.array(steps, "i8"), known, parts)


def row_name(row):
    """A layer's name, with the number of its call where it is called more than once a step."""
    call = row.get("call", 1)
    return row["layer"] if call == 1 else f"{row['layer']} (call {call})"


def _insert(layers, row):
    layers.setdefault(row_name(row), row.get("type", ""))


def _view(view, parts, names, steps):
    result = np.full((steps, len(names)), np.nan, "f4")
    place = {name: number for number, name in enumerate(names)}
    owned: dict[int, dict[str, list[int]]] = {}
    for tag in view.needs:
        for number, row in enumerate(parts.get(tag, ((), None))[0]):
            owned.setdefault(place[row_name(row)], {}).setdefault(tag, []).append(number)
    for layer, columns in owned.items():
        arrays = {tag: parts[tag][1][:, numbers] for tag, numbers in columns.items()}
        with np.errstate(over="ignore"):
            result[:, layer] = view.combine(arrays)
    return result
