"""Which layers to look at first: those that left the healthy band or their neighbours' trend first.

Pure functions of a `LayerHistory`. A layer is noticed at a recorded step if

- a number of its output or gradient is not finite,
- its output is all zeros (dead) or all of it is saturated,
- no gradient reaches its weights (a norm of exactly 0),
- its value left the healthy band of the view, or
- its value is more than `TIMES` times that of the layers before it, or less than 1 / `TIMES`:
  compared are the medians of up to `NEIGHBOURS` layers of the same type before it. For a gradient,
  which travels backward, these are the layers after it.

Layers that follow one another in the network and are noticed for the same reason at the same step
are one notice, named by the first in the direction of travel: what follows is its consequence.
Layers with too large updates are one wherever they stand, since they have one learning rate.
"""

from dataclasses import dataclass

import numpy as np

TIMES = 30.0
NEIGHBOURS = 8
PERSISTS = 3  # recorded steps in a row, or to the end: one odd batch is no news
DEAD = 0.999
USUAL_RATIO = 1e-3  # of an update to its weights

# Most telling first: of several reasons at one step the first is named.
REASONS = {
    "not_finite": "numbers that are not finite",
    "dead": "all outputs are 0",
    "no_gradient": "no gradient reaches its weights",
    "exploding": "far larger than in the layers before it",
    "vanishing": "far smaller than in the layers before it",
    "gradient_exploding": "gradient far larger than in the layers after it",
    "gradient_vanishing": "gradient far smaller than in the layers after it",
    "saturated": "all outputs are saturated",
    "update_too_large": "updates too large for its weights",
}


@dataclass(frozen=True)
class Notice:
    """One entry of the list.

    Args:
        layer: place of the layer in `LayerHistory.layers`.
        step: the recorded step at which it began.
        view: name of the view that shows it.
        reason: a key of `REASONS`.
        value: the number at that step.
        usual: what it was compared with, or None.
        others: how many layers after it (in the direction of travel) share the reason.
    """

    layer: int
    step: int
    view: str
    reason: str
    value: float
    usual: float | None
    others: int = 0


def look_first(history, limit=20):
    """The layers to look at first, earliest first; at one step the most telling reason first.

    Args:
        history: a `LayerHistory`.
        limit: at most so many notices.

    Returns:
        List of `Notice`, at most one a block and step.
    """
    found = []
    for view, reason, mask, usual in _marks(history):
        values = history.views[view]
        backward = reason.startswith(("gradient", "no_gradient", "update"))
        # One learning rate is for all layers: that of their updates is one notice.
        near = len(history.layers) if reason.startswith("update") else NEIGHBOURS
        for place, others in _joined(_first_steps(mask), backward, near):
            row, layer = place
            compared = None if usual is None else float(usual[row, layer])
            found.append(
                Notice(
                    layer, int(history.steps[row]), view, reason,
                    float(values[row, layer]), compared, others,
                )
            )  # fmt: skip
    order = list(REASONS)
    # Outputs before gradients: a number that is not finite travels forward, then back.
    found.sort(key=lambda n: (n.step, order.index(n.reason), "gradient" in n.view, n.layer))
    once: dict[object, Notice] = {}
    for notice in found:
        # A dead block has outputs of 0, no gradient and a vanishing scale: one entry.
        group = history.layers[notice.layer]["group"]
        key: object = (group, notice.step) if group else notice.layer
        if notice.reason == "not_finite":
            key = notice.reason, notice.step  # where it is first in the pass; the rest follows
        if notice.reason.startswith("update"):
            key = notice.reason  # the earliest stands for all
        once.setdefault(key, notice)
    return list(once.values())[:limit]


def _marks(history):
    """Each test: `(view, reason, mask of shape (steps, layers), what was usual or None)`."""
    views = history.views
    types = [layer["type"] for layer in history.layers]
    for name, values in views.items():
        yield name, "not_finite", np.isinf(values) if name != "non_finite" else values > 0, None
    if "zero_fraction" in views:
        yield "zero_fraction", "dead", views["zero_fraction"] >= DEAD, None
    if "saturated_fraction" in views:
        yield "saturated_fraction", "saturated", views["saturated_fraction"] >= DEAD, None
    if "gradient_norm" in views:
        yield "gradient_norm", "no_gradient", views["gradient_norm"] == 0, None
    if "update_ratio" in views:
        ratio = views["update_ratio"]
        usual = np.full(ratio.shape, USUAL_RATIO)
        yield "update_ratio", "update_too_large", ratio > 0.1, usual
    for name, prefix, backward in (
        ("activation_scale", "", False),
        ("gradient_norm", "gradient_", True),
    ):
        if name in views:
            usual = usual_before(views[name], types, backward)
            with np.errstate(invalid="ignore", divide="ignore"):
                times = views[name] / usual
            finite = np.isfinite(times) & (times > 0)
            yield name, prefix + "exploding", finite & (times > TIMES), usual
            yield name, prefix + "vanishing", finite & (times < 1 / TIMES), usual


def usual_before(values, types, backward=False):
    r"""The median of up to `NEIGHBOURS` layers of the same type before each layer.

    Args:
        values: matrix (steps, layers).
        types: the layers' types; layers of other types have another scale.
        backward: whether "before" means later in the network, as for gradients.

    Returns:
        Matrix like `values`; NaN for a layer that has fewer than two such neighbours.
    """
    result = np.full(values.shape, np.nan, "f8")
    for kind in set(types):
        places = [i for i, other in enumerate(types) if other == kind]
        places = places[::-1] if backward else places
        for number, place in enumerate(places):
            before = places[max(0, number - NEIGHBOURS) : number]
            block = values[:, before].astype("f8")
            block = np.where(np.isfinite(block) & (block > 0), block, np.nan)
            enough = (~np.isnan(block)).sum(axis=1) >= 2
            if enough.any():
                result[enough, place] = np.nanmedian(block[enough], axis=1)
    return result


def _first_steps(mask):
    """First row of each column from which on the mask persists; -1 where it never does."""
    steps = len(mask)
    first = np.full(mask.shape[1], -1)
    if not steps:
        return first
    need = min(PERSISTS, steps)
    # How many rows in a row hold from here on.
    held = np.zeros(mask.shape[1], int)
    for row in range(steps - 1, -1, -1):
        held = np.where(mask[row], held + 1, 0)
        first = np.where((held >= need) | ((held > 0) & (row + held == steps)), row, first)
    return first


def _joined(first, backward, near):
    """Runs of layers with the same first row: `((row, leading layer), others)`.

    Two of a run are at most `near` apart: layers of other types, which have no trend of their own,
    may stand between them.
    """
    marked = [(int(row), layer) for layer, row in enumerate(first) if row >= 0]
    runs: list[list] = []
    open_runs: dict[int, list] = {}
    for row, layer in reversed(marked) if backward else marked:
        run = open_runs.get(row)
        if run is not None and abs(layer - run[-1]) <= near:
            run.append(layer)
        else:
            run = open_runs[row] = [row, layer]
            runs.append(run)
    for row, leading, *others in runs:
        yield (row, leading), len(others)
