"""One self-contained page of one or several runs, for those who have no TensorBoard at hand."""

import html
import json
import os
from importlib import resources

from keras_dlnotes_layers import payload
from keras_dlnotes_layers.event_files import read_run, runs_below


def report(folders):
    """The page as a text in HTML. It needs no server and asks for nothing from the network.

    Args:
        folders: list of folders of runs, or of folders above runs.

    Raises:
        FileNotFoundError: if a folder holds no run.
        ValueError: if a run has no layer statistics.
    """
    runs = {}
    for folder in folders:
        folder = os.fspath(folder)
        below = runs_below(folder) if os.path.isdir(folder) else []
        for name in below or ["."]:
            path = os.path.normpath(os.path.join(folder, name))
            runs[path] = payload.embedded(*read_run(path))
    script = resources.files("keras_dlnotes_layers").joinpath("static/layers.js").read_text("utf-8")
    # Within a script element the text "</" could end it.
    data = json.dumps(runs, separators=(",", ":")).replace("</", "<\\/")
    script = script.replace("export ", "")
    title = html.escape("Layers of " + ", ".join(runs))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>'
        f'<script type="module">\n{script}\nrenderEmbedded({data});\n</script></body></html>\n'
    )
