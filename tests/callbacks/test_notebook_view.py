import base64
import copy
import html
import re
import sys

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.callbacks import Diagnosis, TrainingMonitor
from keras_dlnotes.diagnosis import Finding, Findings
from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from tests.callbacks.test_diagnosis import fit as fit_watched
from tests.callbacks.test_diagnosis import network

pytest.importorskip("matplotlib", reason="left out: Matplotlib is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis")
X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def fit(*callbacks, output="sigmoid", names=("hidden_1", "hidden_2"), epochs=3):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(6, activation="relu", name=name) for name in names]
    output = keras.layers.Dense(1, activation=output, name="output")
    model = keras.Sequential([keras.Input((4,)), *hidden, output])
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, batch_size=16, epochs=epochs, verbose=0, callbacks=list(callbacks))


def images(page):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for data in found)
    # Nothing else that a browser would load.
    assert "http" not in page
    assert page.count("src=") == len(found)
    return len(found)


def test_a_monitor_shows_the_figures_of_its_own_run(tmp_path):
    into_folder = TrainingMonitor(tmp_path / "run", every=1)
    assert "Nothing is recorded yet" in into_folder._repr_html_()
    assert "each step to" in into_folder._repr_html_()
    fit(into_folder)
    assert images(into_folder._repr_html_()) == 2
    assert "3 layers, 12 recorded steps, 0 to 11." in into_folder._repr_html_()
    assert "run_2" not in into_folder._repr_html_()
    second = TrainingMonitor(tmp_path / "run", every=3)
    assert "divisible by 3" in second._repr_html_()
    fit(second)
    page = second._repr_html_()
    assert "run_2" in page
    assert "3 layers, 4 recorded steps, 0 to 9." in page
    assert copy.deepcopy(second)._repr_html_() == page


def test_a_monitor_prints_what_to_look_at_first(tmp_path):
    monitor = TrainingMonitor(tmp_path / "run", every=1)
    assert "Nothing is recorded yet" in str(monitor)
    keras.utils.set_random_seed(0)
    dead = keras.layers.Dense(6, "relu", name="dead", bias_initializer=keras.initializers.Ones())
    layers = [keras.layers.Dense(6, "relu"), dead, keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    dead.bias.assign(-100.0 * np.ones(6))
    model.compile("adam", "binary_crossentropy")
    model.fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=[monitor])
    printed = str(monitor).splitlines()
    assert "3 layers, 12 recorded steps, 0 to 11." in printed[0]
    assert printed[1] == "Look here first:"
    assert printed[2].startswith("1. dead (Dense): all outputs are 0, from step 0")
    assert html.unescape(re.sub("<[^>]+>", "", monitor._repr_html_())).count(printed[2][3:]) == 1


@pytest.mark.parametrize("given", [MemoryWriter, EventFileWriter])
def test_a_monitor_with_a_writer_shows_what_was_written_also_during_fit(given, tmp_path):
    writer = given() if given is MemoryWriter else given(tmp_path, flush_seconds=0.01)
    monitor = TrainingMonitor(every=1, writer=writer)
    during = []

    def look(epoch, logs):
        during.append(monitor._repr_html_())

    assert images(monitor._repr_html_()) == 0
    fit(monitor, keras.callbacks.LambdaCallback(on_epoch_end=look))
    if given is MemoryWriter:
        assert "3 layers, 4 recorded steps, 0 to 3." in during[0]
        assert images(during[0]) == 2
    writer.close()
    assert images(monitor._repr_html_()) == 2
    assert "12 recorded steps" in monitor._repr_html_()


def test_what_a_monitor_cannot_show_is_told(tmp_path, monkeypatch):
    class Writer:
        failure = None

        def __getattr__(self, name):
            if name.startswith("add_") and name != "add_layers":
                return lambda *arguments, **options: None
            raise AttributeError(name)

        def flush(self):
            pass

    monitor = TrainingMonitor(every=1, writer=Writer())
    fit(monitor)
    assert "Writer, which cannot be read back" in monitor._repr_html_()

    monitor = TrainingMonitor(tmp_path / "run", every=1)
    fit(monitor)
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "matplotlib", None)
        context.setitem(sys.modules, "matplotlib.figure", None)
        page = monitor._repr_html_()
    assert images(page) == 0
    assert "12 recorded steps" in page
    assert "pip install matplotlib" in page
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    assert "holds no event file" in monitor._repr_html_()
    (tmp_path / "run").rmdir()
    assert "There is no such folder" in monitor._repr_html_()


def test_names_are_text_neither_html_nor_formulas():
    writer = MemoryWriter()
    monitor = TrainingMonitor(every=1, writer=writer)
    names = [r"a_$\nothing{$", "b_<b>&amp;", "c_\N{CJK UNIFIED IDEOGRAPH-5C42}"]
    rows = [{"layer": name, "type": "<i>"} for name in names]
    for step in range(20):
        values = np.array([0, np.nan, 1], "f4")
        writer.add_layers(step, [("activations/standard_deviation", rows, values)])
    page = monitor._repr_html_()
    assert images(page) == 2
    assert "b_&lt;b&gt;&amp;amp;" in page
    assert "<i>" not in page
    figure = kd.plots.scale_by_depth({names[0]: writer})
    figure.canvas.draw()
    assert figure.axes[0].get_legend().get_texts()[0].get_text().startswith(names[0])


def test_a_monitor_of_gradients_alone_shows_them():
    writer = MemoryWriter()
    monitor = TrainingMonitor(every=1, writer=writer, layers=[])
    fit(monitor)
    page = monitor._repr_html_()
    assert images(page) == 2
    assert "Gradient norm" in page


def test_a_diagnosis_shows_its_findings():
    diagnosis = Diagnosis(verbose=False)
    assert "No run has been judged yet" in diagnosis._repr_html_()
    during = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: during.append(diagnosis._repr_html_())
    )
    fit(diagnosis, look, output="softmax")
    page = diagnosis._repr_html_()
    (finding, *_) = diagnosis.findings
    assert "softmax with one unit" in page
    assert "had not ended" in during[0]
    assert "had not ended" not in page
    for text in (finding.symptom, finding.remedy, finding.explanation, "layer output"):
        assert html.escape(text) in page
    assert diagnosis.findings._repr_html_() == page
    assert copy.deepcopy(diagnosis)._repr_html_() == page
    healthy = Diagnosis(verbose=False)
    fit_watched(network(), healthy)
    assert "nothing wrong was found" in healthy._repr_html_()
    assert "32 of 32 steps" in healthy._repr_html_()


def test_findings_are_escaped_and_what_is_no_finding_raises_nothing():
    bad = "<script>alert(1)</script>"
    finding = Finding(bad, bad, bad, bad, 0.5, {bad: bad}, bad, 3, bad, not_tried=bad)
    page = Findings([finding])._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 9
    assert "step 3" in page
    assert (
        "nothing wrong was found. Looked at &lt;b&gt;"
        in Findings([], "Looked at <b>")._repr_html_()
    )
    assert Findings(["<b>"])._repr_html_() == "<pre>[&#x27;&lt;b&gt;&#x27;]</pre>"
