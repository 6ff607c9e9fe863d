"""The server's side of TensorBoard's layers tab."""

import json
import os
import threading
from typing import Any

import numpy as np
from tensorboard.backend import http_util
from tensorboard.data import provider
from tensorboard.plugins import base_plugin
from tensorboard.plugins.histogram import metadata as histogram_metadata
from werkzeug import exceptions, wrappers

from keras_dlnotes_layers import payload
from keras_dlnotes_layers.format import FINDINGS_TAG, PLUGIN_NAME, TAG_PREFIX, rows_of
from keras_dlnotes_layers.history import history_of
from keras_dlnotes_layers.loader import SAMPLES

_STATIC = os.path.join(os.path.dirname(__file__), "static")


def _answers(method: Any) -> Any:
    """A WSGI application from a method that takes a request and returns a response."""
    return wrappers.Request.application(method)


class LayersPlugin(base_plugin.TBPlugin):
    """Serves the page and, for it, what the event files hold of each layer."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context):
        self._data = context.data_provider
        self._lock = threading.Lock()
        # (experiment, run) -> (newest step of each tag, LayerHistory, findings)
        self._known: dict[tuple, tuple] = {}

    def get_plugin_apps(self):
        """The addresses under `/data/plugin/keras_dlnotes_layers/`."""
        return {
            "/index.js": self._page,
            "/runs": self._runs,
            "/run": self._run,
            "/matrix": self._matrix,
            "/layer": self._layer,
            "/histograms": self._histograms,
        }

    def is_active(self):
        """False: TensorBoard asks only where no run has data of this tab."""
        return False

    def frontend_metadata(self):
        """Tab name and page."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Layers")

    @_answers
    def _page(self, request):
        with open(os.path.join(_STATIC, "layers.js"), encoding="utf-8") as file:
            return http_util.Respond(request, file.read(), "application/javascript")

    @_answers
    def _runs(self, request):
        ctx, experiment = _context(request)
        listed = self._list(ctx, experiment)
        runs = [run for run, tags in sorted(listed.items()) if set(tags) - {FINDINGS_TAG}]
        return http_util.Respond(request, runs, "application/json")

    @_answers
    def _run(self, request):
        history, findings = self._look_up(request)
        text = json.dumps(payload.summary(history, findings))
        return http_util.Respond(request, text, "application/json")

    @_answers
    def _matrix(self, request):
        history, _ = self._look_up(request)
        view = request.args.get("view", "")
        if view not in history.views:
            raise exceptions.NotFound(f"Expected one of the views {list(history.views)}.")
        return http_util.Respond(request, payload.matrix(history, view), "application/octet-stream")

    @_answers
    def _layer(self, request):
        details = payload.layer_details(*self._look_up_layer(request))
        return http_util.Respond(request, json.dumps(details), "application/json")

    @_answers
    def _histograms(self, request):
        names = payload.histogram_tags(*self._look_up_layer(request))
        # The fast data server takes an empty list of tags for all of them.
        read = self._read(request, histogram_metadata.PLUGIN_NAME, list(names)) if names else {}
        found = [
            payload.histograms_over_steps(
                names[tag], [(datum.step, np.asarray(datum.numpy)) for datum in read[tag]]
            )
            for tag in names
            if read.get(tag)
        ]
        known = [histogram for histogram in found if histogram["steps"]]
        return http_util.Respond(request, json.dumps(known), "application/json")

    def _list(self, ctx, experiment):
        return self._data.list_tensors(ctx, experiment_id=experiment, plugin_name=PLUGIN_NAME)

    def _look_up(self, request):
        """`(LayerHistory, findings)` of the run that the request names."""
        ctx, experiment = _context(request)
        run = request.args.get("run", "")
        listed = self._list(ctx, experiment).get(run)
        if listed is None:
            raise exceptions.NotFound(f"Run {run!r} has no layer statistics.")
        newest = {tag: series.max_step for tag, series in listed.items()}
        with self._lock:
            known = self._known.get((experiment, run))
            if known is None or known[0] != newest:
                read = self._read(request, PLUGIN_NAME)
                findings = read.pop(FINDINGS_TAG, None)
                series = {
                    tag.removeprefix(TAG_PREFIX): (
                        rows_of(listed[tag].plugin_content),
                        [(datum.step, np.asarray(datum.numpy)) for datum in data],
                    )
                    for tag, data in read.items()
                    if tag in listed
                }
                found = json.loads(findings[-1].numpy.item()) if findings else []
                known = self._known[experiment, run] = newest, history_of(series), found
        return known[1:]

    def _look_up_layer(self, request):
        """`(LayerHistory, layer)` that the request names."""
        history, _ = self._look_up(request)
        layer = request.args.get("layer", type=int)
        if layer is None or not 0 <= layer < len(history.layers):
            raise exceptions.NotFound(f"Expected a layer from 0 to {len(history.layers) - 1}.")
        return history, layer

    def _read(self, request, plugin, tags=None):
        """Dict from tag to what is kept of it, of the run that the request names."""
        ctx, experiment = _context(request)
        run = request.args.get("run", "")
        read = self._data.read_tensors(
            ctx,
            experiment_id=experiment,
            plugin_name=plugin,
            downsample=SAMPLES,
            run_tag_filter=provider.RunTagFilter(runs=[run], tags=tags),
        )
        return dict(read.get(run, {}))


def _context(request):
    from tensorboard import plugin_util

    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)
