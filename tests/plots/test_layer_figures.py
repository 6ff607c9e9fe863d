import itertools

import keras
import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.__main__ import main
from keras_dlnotes.summaries import MemoryWriter
from keras_dlnotes_layers import VIEWS
from tests.layers_tab import fabricated_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "broken"
    fabricated_run.write(path, range(0, 300, 10), broken=True)
    return path


def test_a_figure_of_each_statistic(folder, tmp_path):
    shown = 0
    for view in VIEWS:
        if view.name == "saturated_fraction":
            continue
        figure = kd.plots.layers_over_steps(folder, view.name)
        assert figure.axes[0].get_title() == view.title
        figure.savefig(tmp_path / "figure.png")
        shown += 1
    assert shown == 6


def test_a_figure_shows_itself_in_a_notebook_and_names_its_axes(folder):
    for figure in (kd.plots.layers_over_steps(folder), kd.plots.scale_by_depth(folder)):
        assert figure._repr_png_().startswith(b"\x89PNG")
        axes = figure.axes[0]
        assert "layer" in (axes.get_xlabel(), axes.get_ylabel())
        assert axes.get_xlabel()
        assert axes.get_ylabel()


def test_no_two_names_of_layers_overlap(folder):
    for figure, axis in (
        (kd.plots.layers_over_steps(folder), "y"),
        (kd.plots.scale_by_depth(folder), "x"),
    ):
        figure.canvas.draw()
        labels = getattr(figure.axes[0], f"get_{axis}ticklabels")()
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) == 30
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_the_curve_by_depth_is_the_recorded_one(folder):
    axes = kd.plots.scale_by_depth({"a": folder, "b": folder}, step=100).axes[0]
    expected = fabricated_run.parts_of(100, 300, True)[0][2]
    assert len(axes.lines) == 2
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert axes.get_legend().get_texts()[0].get_text() == "a, step 100"


def test_a_memory_writer_and_a_monitor_s_folder_give_the_same(tmp_path):
    def fit(**options):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(4, "tanh", name=f"dense_{i}") for i in range(3)]
        model = keras.Sequential([keras.Input((5,)), *layers], name="net")
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
        monitor = kd.callbacks.TrainingMonitor(every=1, **options)
        model.fit(x, x[:, :4], batch_size=8, verbose=0, callbacks=[monitor])

    writer = MemoryWriter()
    fit(writer=writer)
    fit(log_dir=tmp_path / "run")
    first = kd.plots.scale_by_depth(writer, "gradient_norm").axes[0]
    second = kd.plots.scale_by_depth(tmp_path / "run", "gradient_norm").axes[0]
    assert len(first.lines[0].get_ydata()) == 3
    np.testing.assert_allclose(first.lines[0].get_ydata(), second.lines[0].get_ydata(), rtol=1e-5)
    squares = [
        dict(writer.scalars[f"gradients/net/dense_1/{name}/norm"])[3] ** 2
        for name in ("kernel", "bias")
    ]
    np.testing.assert_allclose(first.lines[0].get_ydata()[1], np.sqrt(sum(squares)), rtol=1e-6)


def test_bad_input_is_told_what_to_do(folder, tmp_path):
    with pytest.raises(ValueError, match="must be one that the run has: activation_scale"):
        kd.plots.layers_over_steps(folder, "variance")
    with pytest.raises(ValueError, match="must be the `log_dir`"):
        kd.plots.layers_over_steps(3)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        kd.plots.scale_by_depth(tmp_path / "none")


def test_the_command_writes_a_report_and_tells_what_is_wrong(folder, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(folder.parent), "-o", str(out)]) == 0
    page = out.read_text()
    assert fabricated_run.DEAD in page
    assert "http" not in page.replace("http-equiv", "")
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
