"""What a notebook shows of a recorded run, and what is printed: what to look at first."""

import base64
import html
import io
import warnings
from typing import Any

from keras_dlnotes.plots.layer_figures import history_of_run, layers_over_steps, scale_by_depth
from keras_dlnotes_layers import VIEWS, LayerHistory, look_first
from keras_dlnotes_layers.look_first import REASONS

_MOST_NOTICES = 5
_NONE = "No layer left the healthy band or its neighbours' trend."


def run_html(run: Any, title: str) -> str:
    """A run as a part of an HTML page that asks nothing from the network.

    Args:
        run: what `layers_over_steps` takes.
        title: plain text above the figures.

    Returns:
        HTML. What cannot be read or drawn is told in it: nothing is raised, since a notebook would
        show a long traceback in the place of the object.
    """
    try:
        history = history_of_run(run)
    except Exception as error:
        return paragraphs(title, f"Nothing can be shown. {error}")
    try:
        head = paragraphs(title, _extent(history)) + _notices(history)
    except Exception as error:
        return paragraphs(title, f"Nothing can be shown. {type(error).__name__}: {error}")
    try:
        return head + _figures(history)
    except ImportError as error:
        return head + paragraphs("", str(error))
    except Exception as error:
        sentence = f"The figures could not be drawn. {type(error).__name__}: {error}"
        return head + paragraphs("", sentence)


def run_text(run: Any, title: str) -> str:
    """What to look at first in a run, as plain text.

    Args:
        run: what `layers_over_steps` takes.
        title: its first line.
    """
    try:
        history = history_of_run(run)
        lines = [f"{title}: {_extent(history)}"]
        if history.views:
            first = [
                f"{number}. {name} ({kind}): {text}"
                for number, (name, kind, text) in enumerate(_first(history), start=1)
            ]
            lines += ["Look here first:", *first] if first else [_NONE]
    except Exception as error:  # printing must not raise
        return f"{title}: nothing can be shown. {error}"
    return "\n".join(lines)


def paragraphs(title: str, *sentences: str) -> str:
    """Plain texts as HTML: a title in bold, which may be empty, and paragraphs."""
    head = f"<p><b>{html.escape(title)}</b></p>" if title else ""
    return head + "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def _extent(history: LayerHistory) -> str:
    layers, steps = len(history.layers), history.steps
    if not len(steps):
        return "No step has been recorded yet."
    return f"{layers} layers, {len(steps)} recorded steps, {steps[0]} to {steps[-1]}."


def _notices(history: LayerHistory) -> str:
    if not history.views:
        return ""
    first = [tuple(map(html.escape, texts)) for texts in _first(history)]
    if not first:
        return paragraphs("", _NONE)
    lines = "".join(f"<li><b>{name}</b> ({kind}): {text}</li>" for name, kind, text in first)
    return f"<p>Look here first:</p><ol>{lines}</ol>"


def _first(history: LayerHistory) -> list[tuple[str, str, str]]:
    """Names and types of the layers to look at first, and why."""
    found = []
    for notice in look_first(history, _MOST_NOTICES):
        layer = history.layers[notice.layer]
        text = f"{REASONS[notice.reason]}, from step {notice.step}"
        if notice.others:
            near = "" if notice.reason.startswith("update") else " near it"
            text += f", and {notice.others} more{near}"
        found.append((layer["name"], layer["type"], text))
    return found


def _figures(history: LayerHistory) -> str:
    view = next((view for view in VIEWS if view.name in history.views), None)
    if view is None:
        return ""
    height = min(6.0, 2.5 + 0.2 * len(history.layers))
    images = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font without a letter of a layer's name
        for figure, what in (
            (
                layers_over_steps(history, view.name, figsize=(10, height)),
                "of each layer over steps",
            ),
            (scale_by_depth(history, view.name), "by depth, at the last recorded step"),
        ):
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=100)
            data = base64.b64encode(file.getvalue()).decode()
            alt = html.escape(f"{view.title} {what}")
            images += (
                f'<img alt="{alt}" style="display:block;max-width:100%" '
                f'src="data:image/png;base64,{data}">'
            )
    return images
