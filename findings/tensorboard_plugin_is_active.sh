#!/usr/bin/env bash
# TensorBoard's `is_active()` cannot hide a plugin's tab that has data.
#
# Guess: a tab is shown where `TBPlugin.is_active()` returns True, as its docstring says.
# Seen: with a data provider (the normal case) the method is called only where the provider lists no
#   data under the plugin's name. With data the tab is active though the method would say False.
# Versions: tensorboard 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet "tensorboard==2.21.0" "numpy<3" "setuptools<81"
cat > "$dir/check.py" <<'PY'
import json
import sys

from tensorboard.backend import application
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.plugins import base_plugin
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from werkzeug.test import Client

calls = []


def plugin(name, answer):
    class Plugin(base_plugin.TBPlugin):
        plugin_name = name

        def __init__(self, context):
            pass

        def get_plugin_apps(self):
            return {}

        def is_active(self):
            calls.append(name)
            return answer

        def frontend_metadata(self):
            return base_plugin.FrontendMetadata(es_module_path="/index.js")

    return Plugin


folder = sys.argv[1]
writer = EventFileWriter(folder)
event = Event(step=0, wall_time=1.0)
value = event.summary.value.add(tag="numbers")
value.tensor.dtype = 1
value.tensor.float_val.append(1.0)
value.metadata.data_class = DATA_CLASS_TENSOR
value.metadata.plugin_data.plugin_name = "says_no_has_data"
writer.add_event(event)
writer.close()
multiplexer = EventMultiplexer()
multiplexer.AddRunsFromDirectory(folder)
multiplexer.Reload()
provider = MultiplexerDataProvider(multiplexer, folder)
plugins = [plugin("says_no_has_data", False), plugin("says_yes_has_none", True)]
app = application.TensorBoardWSGI([p(None) for p in plugins], data_provider=provider)
listing = json.loads(Client(app).get("/data/plugins_listing").data)
seen = {name: entry["enabled"] for name, entry in listing.items()}
print("enabled:", seen, "calls of is_active:", calls)
assert seen == {"says_no_has_data": True, "says_yes_has_none": True}, seen
assert calls == ["says_yes_has_none"], calls
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir/logs"
