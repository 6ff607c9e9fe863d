import json
import os
import subprocess
import sys
from argparse import Namespace

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from keras_dlnotes_layers.format import PLUGIN_NAME, rows_of
from keras_dlnotes_layers.loader import LayersLoader
from keras_dlnotes_layers.payload import histograms_over_steps
from tests.layers_tab import fabricated_run


def applications(folder):
    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN_NAME: 1000})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    plugin = LayersLoader().load(TBContext(data_provider=provider))
    apps = {path: Client(app) for path, app in plugin.get_plugin_apps().items()}
    return plugin, apps, multiplexer


def test_the_tab_serves_what_the_event_file_holds(tmp_path):
    fabricated_run.write(tmp_path / "broken", range(0, 400, 10), broken=True)
    (tmp_path / "other").mkdir()
    plugin, apps, _ = applications(tmp_path)
    assert plugin.frontend_metadata().tab_name == "Layers"
    assert json.loads(apps["/runs"].get("/").data) == ["broken"]
    summary = json.loads(apps["/run"].get("/?run=broken").data)
    assert summary["steps"] == list(range(0, 400, 10))
    assert [n["reason"] for n in summary["look_first"]] == ["dead", "exploding"]
    answer = apps["/matrix"].get("/?run=broken&view=activation_scale")
    matrix = np.frombuffer(answer.data, "<f4").reshape(40, len(summary["layers"]))
    expected = fabricated_run.parts_of(390, 400, True)[0][2]
    np.testing.assert_array_equal(matrix[-1], expected)
    details = json.loads(apps["/layer"].get("/?run=broken&layer=0").data)
    assert [s["name"] for s in details["series"]] == [
        "output: standard deviation",
        "output: zero fraction",
        "output: non finite count",
        "kernel, gradients: norm",
        "kernel, weights: norm",
        "kernel, updates: ratio",
    ]
    assert apps["/index.js"].get("/").headers["Content-Type"].startswith("application/javascript")


def test_the_histograms_of_one_layer_are_those_that_the_monitor_recorded(tmp_path):
    def fit(**options):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(4, "tanh", name=f"dense_{i}") for i in range(2)]
        model = keras.Sequential([keras.Input((5,)), *layers], name="net")
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
        monitor = TrainingMonitor(every=1, histograms_every=2, **options)
        model.fit(x, x[:, :4], batch_size=8, verbose=0, callbacks=[monitor])

    writer = MemoryWriter()
    fit(writer=writer)
    fit(log_dir=tmp_path / "run")
    fabricated_run.write(tmp_path / "without", range(0, 40, 10))
    _, apps, _ = applications(tmp_path)
    found = json.loads(apps["/histograms"].get("/?run=run&layer=1").data)
    expected = {
        "output: histogram": "activations/dense_1/histogram",
        "kernel, gradients: histogram": "gradients/net/dense_1/kernel/histogram",
        "bias, gradients: histogram": "gradients/net/dense_1/bias/histogram",
    }
    assert [histogram["name"] for histogram in found] == list(expected)
    for histogram in found:
        steps, low, high, counts = zip(*writer.histograms[expected[histogram["name"]]], strict=True)
        assert histogram["steps"] == list(steps) == [0, 2]
        np.testing.assert_allclose(histogram["low"], low, rtol=1e-4)
        np.testing.assert_allclose(histogram["high"], high, rtol=1e-4)
        shares = [count / np.sum(count) for count in counts]
        np.testing.assert_allclose(histogram["shares"], shares, atol=0.01)
    assert json.loads(apps["/histograms"].get("/?run=without&layer=1").data) == []
    assert apps["/histograms"].get("/?run=run&layer=2").status_code == 404


def test_histograms_of_many_steps_are_thinned_and_one_bin_has_no_width(tmp_path):
    writer = EventFileWriter(tmp_path / "run")
    fabricated_run.write_histograms(writer, "conv", range(0, 1000, 10))
    writer.close()
    _, apps, _ = applications(tmp_path)
    (found,) = json.loads(apps["/histograms"].get("/?run=run&layer=0").data)
    assert len(found["steps"]) == 50
    assert (found["steps"][0], found["steps"][-1]) == (0, 990)
    assert (found["low"][0], found["high"][0]) == (-1, 1)
    assert (found["low"][-1], found["high"][-1], found["shares"][-1]) == (0, 0, [1])
    np.testing.assert_allclose([sum(row) for row in found["shares"]], 1, rtol=0.01)
    assert found["shares"][0] == found["shares"][0][::-1]


def test_questions_that_have_no_answer_are_told_so(tmp_path):
    fabricated_run.write(tmp_path / "run", range(0, 40, 10))
    _, apps, _ = applications(tmp_path)
    for path, query in (
        ("/run", "run=none"),
        ("/matrix", "run=run&view=none"),
        ("/layer", "run=run&layer=999"),
        ("/layer", "run=run&layer=-1"),
        ("/layer", "run=run&layer=first"),
        ("/histograms", "run=none&layer=0"),
        ("/histograms", "run=run&layer=999"),
    ):
        assert apps[path].get(f"/?{query}").status_code == 404


def test_a_run_that_grows_is_read_anew_and_findings_are_shown(tmp_path):
    writer = EventFileWriter(tmp_path / "live")
    fabricated_run.write(None, range(0, 100, 10), writer=writer)
    _, apps, multiplexer = applications(tmp_path)
    assert json.loads(apps["/run"].get("/?run=live").data)["steps"][-1] == 90
    fabricated_run.write(None, range(100, 200, 10), writer=writer)
    writer.add_findings(190, [{"cause": "dead_units", "layer": "x"}])
    writer.close()
    multiplexer.Reload()
    summary = json.loads(apps["/run"].get("/?run=live").data)
    assert summary["steps"][-1] == 190
    assert summary["findings"] == [{"cause": "dead_units", "layer": "x"}]


def test_the_loader_raises_the_number_of_kept_steps_unless_the_user_chose_one():
    flags = Namespace(samples_per_plugin={})
    LayersLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {PLUGIN_NAME: 1000}
    flags = Namespace(samples_per_plugin={PLUGIN_NAME: 7})
    LayersLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {PLUGIN_NAME: 7}
    LayersLoader().fix_flags(Namespace())  # a TensorBoard without this flag
    assert LayersLoader().load(TBContext()) is None


def test_a_newer_format_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="Upgrade keras_dlnotes"):
        rows_of(json.dumps({"version": 2, "rows": []}))


def test_tensorboard_imports_neither_keras_nor_a_backend_for_the_tab():
    code = (
        "import sys; import keras_dlnotes_layers.loader, keras_dlnotes_layers.plugin;"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert result.stdout.strip() == "[]", result.stderr


def test_a_step_whose_histogram_was_written_twice_counts_as_written_last():
    def table(low):
        return np.array([[low, low + 1.0, 3.0], [low + 1.0, low + 2.0, 1.0]])

    data = [(0, table(0.0)), (10, table(1.0)), (0, table(5.0))]
    found = histograms_over_steps("output", data)
    assert (found["steps"], found["low"]) == ([0, 10], [5.0, 1.0])
