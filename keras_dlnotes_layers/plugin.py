"""The server's side of TensorBoard's layers tab."""

import json
import os
import threading

import numpy as np
from tensorboard.backend import http_util
from tensorboard.data import provider
from tensorboard.plugins import base_plugin
from werkzeug import exceptions, wrappers

from keras_dlnotes_layers import payload
from keras_dlnotes_layers.format import PLUGIN_NAME, TAG_PREFIX, rows_of
from keras_dlnotes_layers.history import history_of
from keras_dlnotes_layers.loader import SAMPLES

_STATIC = os.path.join(os.path.dirname(__file__), "static")


class LayersPlugin(base_plugin.TBPlugin):
    """Serves the page and, for it, what the event files hold of each layer."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context):
        self._data = context.data_provider
        self._lock = threading.Lock()
        self._histories = {}  # (experiment, run) -> (newest step of each tag, LayerHistory)

    def get_plugin_apps(self):
        """The addresses under `/data/plugin/keras_dlnotes_layers/`."""
        return {
            "/index.js": self._page,
            "/runs": self._runs,
            "/run": self._run,
            "/matrix": self._matrix,
            "/layer": self._layer,
        }

    def is_active(self):
        """Never asked for where TensorBoard lists the tensors by plugin itself."""
        return False

    def frontend_metadata(self):
        """Tab name and page."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Layers")

    @wrappers.Request.application
    def _page(self, request):
        with open(os.path.join(_STATIC, "layers.js"), encoding="utf-8") as file:
            return http_util.Respond(request, file.read(), "application/javascript")

    @wrappers.Request.application
    def _runs(self, request):
        ctx, experiment = _context(request)
        listed = self._list(ctx, experiment)
        return http_util.Respond(request, sorted(listed), "application/json")

    @wrappers.Request.application
    def _run(self, request):
        history = self._history(request)
        return http_util.Respond(request, json.dumps(payload.summary(history)), "application/json")

    @wrappers.Request.application
    def _matrix(self, request):
        history = self._history(request)
        view = request.args.get("view", "")
        if view not in history.views:
            raise exceptions.NotFound(f"Expected one of the views {list(history.views)}.")
        return http_util.Respond(request, payload.matrix(history, view), "application/octet-stream")

    @wrappers.Request.application
    def _layer(self, request):
        history = self._history(request)
        layer = request.args.get("layer", type=int)
        if layer is None or not 0 <= layer < len(history.layers):
            raise exceptions.NotFound(f"Expected a layer from 0 to {len(history.layers) - 1}.")
        details = payload.layer_details(history, layer)
        return http_util.Respond(request, json.dumps(details), "application/json")

    def _list(self, ctx, experiment):
        return self._data.list_tensors(ctx, experiment_id=experiment, plugin_name=PLUGIN_NAME)

    def _history(self, request):
        ctx, experiment = _context(request)
        run = request.args.get("run", "")
        listed = self._list(ctx, experiment).get(run)
        if listed is None:
            raise exceptions.NotFound(f"Run {run!r} has no layer statistics.")
        newest = {tag: series.max_step for tag, series in listed.items()}
        with self._lock:
            known, history = self._histories.get((experiment, run), (None, None))
            if known != newest:
                history = history_of(self._read(ctx, experiment, run, listed))
                self._histories[experiment, run] = newest, history
        return history

    def _read(self, ctx, experiment, run, listed):
        read = self._data.read_tensors(
            ctx,
            experiment_id=experiment,
            plugin_name=PLUGIN_NAME,
            downsample=SAMPLES,
            run_tag_filter=provider.RunTagFilter(runs=[run]),
        )
        return {
            tag.removeprefix(TAG_PREFIX): (
                rows_of(listed[tag].plugin_content),
                [(datum.step, np.asarray(datum.numpy)) for datum in data],
            )
            for tag, data in read.get(run, {}).items()
            if tag in listed
        }


def _context(request):
    from tensorboard import plugin_util

    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)
