import numpy as np
import pytest

from keras_dlnotes.summaries import EventFileWriter
from keras_dlnotes_layers import history_of, look_first
from keras_dlnotes_layers.event_files import events_of, read_run, runs_below
from keras_dlnotes_layers.groups import groups_of
from keras_dlnotes_layers.look_first import usual_before
from tests.layers_tab import fabricated_run
from tests.layers_tab.fabricated_run import DEAD, EXPLODING, NAMES

pytestmark = pytest.mark.any_backend


def history(steps=40, broken=True):
    series = {}
    for step in range(0, 10 * steps, 10):
        for tag, rows, values in fabricated_run.parts_of(step, 10 * steps, broken):
            series.setdefault(tag, (rows, []))[1].append((step, values))
    return history_of(series)


def test_layers_come_in_the_order_of_the_network_with_their_blocks():
    found = history()
    assert [layer["name"] for layer in found.layers] == NAMES
    assert found.layers[0]["group"] == "stage1_block1"
    assert len({layer["group"] for layer in found.layers}) == fabricated_run.BLOCKS
    np.testing.assert_array_equal(found.steps, np.arange(0, 400, 10))


def test_groups_of_nested_models_repeated_blocks_and_layers_alone():
    names = ["conv1_conv", "conv1_bn", "conv1_relu"]
    names += [f"encoder/block_{b}/{n}" for b in (0, 1) for n in ("query", "key", "value", "norm")]
    names += ["decoder/dense", "head"]
    groups = groups_of(names)
    assert groups[:3] == [None] * 3
    assert groups[3:11] == ["encoder/block_0"] * 4 + ["encoder/block_1"] * 4
    assert groups[11:] == [None, None]


def test_views_are_those_of_the_whole_layer():
    rows = [
        {"layer": "a", "type": "Dense", "variable": "kernel"},
        {"layer": "a", "type": "Dense", "variable": "bias"},
        {"layer": "b", "type": "Dense", "variable": "kernel"},
    ]
    found = history_of(
        {
            "gradients/norm": (rows, [(0, np.array([3, 4, 1], "f4"))]),
            "weights/norm": (rows, [(0, np.array([2, 0, 1], "f4"))]),
            "updates/ratio": (rows, [(0, np.array([0.5, np.nan, np.nan], "f4"))]),
        }
    )
    assert [layer["name"] for layer in found.layers] == ["a", "b"]
    np.testing.assert_allclose(found.views["gradient_norm"], [[5, 1]])
    np.testing.assert_allclose(found.views["weight_norm"], [[2, 1]])
    # A weight of norm 0 has no ratio and counts on neither side; a layer of such weights has none.
    np.testing.assert_allclose(found.views["update_ratio"], [[0.5, np.nan]])
    assert "activation_scale" not in found.views


def test_a_nan_that_was_recorded_is_no_gap():
    rows = [{"layer": "a", "type": "Dense"}]
    data = [(0, np.array([1], "f4")), (1, np.array([np.nan], "f4"))]
    found = history_of({"activations/standard_deviation": (rows, data)})
    assert np.isinf(found.views["activation_scale"][1, 0])
    (notice,) = look_first(found)
    assert (notice.reason, notice.step) == ("not_finite", 1)


def test_a_step_that_was_written_twice_counts_once_and_other_lengths_are_left_out():
    rows = [{"layer": "a", "type": "Dense"}]
    data = [(0, np.array([1], "f4")), (0, np.array([2], "f4")), (5, np.array([1, 1], "f4"))]
    found = history_of({"activations/standard_deviation": (rows, data)})
    assert found.steps.tolist() == [0]
    assert found.views["activation_scale"].tolist() == [[2]]


def test_the_dead_block_and_the_exploding_one_are_looked_at_first():
    notices = look_first(history())
    found = history()
    groups = [found.layers[notice.layer]["group"] for notice in notices]
    assert groups == [DEAD, EXPLODING]
    assert [notice.reason for notice in notices] == ["dead", "exploding"]
    assert [notice.step for notice in notices] == [0, 200]
    assert notices[1].value == pytest.approx(1e4, rel=1)
    assert notices[1].usual == pytest.approx(1, rel=0.5)


def test_a_healthy_network_has_nothing_to_look_at():
    assert look_first(history(broken=False)) == []


def test_one_odd_step_is_no_news():
    rows = [{"layer": f"dense_{i}", "type": "Dense"} for i in range(6)]
    odd = np.ones((20, 6), "f4")
    odd[7, 4] = 1e6
    series = {"activations/standard_deviation": (rows, list(enumerate(odd)))}
    assert look_first(history_of(series)) == []
    odd[7:, 4] = 1e6
    series = {"activations/standard_deviation": (rows, list(enumerate(odd)))}
    assert [(n.layer, n.step) for n in look_first(history_of(series))] == [(4, 7)]


def test_usual_before_is_the_median_of_up_to_eight_layers_of_the_type():
    random = np.random.default_rng(0)
    values = random.lognormal(size=(3, 30))
    types = [("a", "b")[i % 3 == 0] for i in range(30)]
    for backward in (False, True):
        result = usual_before(values, types, backward)
        for step in range(3):
            for layer in range(30):
                order = range(29, layer, -1) if backward else range(layer)
                same = [i for i in order if types[i] == types[layer]]
                nearest = same[-8:]
                expected = np.median(values[step, nearest]) if len(nearest) > 1 else np.nan
                np.testing.assert_allclose(result[step, layer], expected, rtol=1e-12)


def test_event_files_are_read_back_even_if_a_crash_cut_one_off(tmp_path):
    fabricated_run.write(tmp_path / "run", range(0, 100, 10), broken=True)
    found, findings = read_run(tmp_path / "run")
    expected = {tag: v for tag, _, v in fabricated_run.parts_of(90, 100, True)}
    np.testing.assert_array_equal(
        found.parts["activations/standard_deviation"][1][-1],
        expected["activations/standard_deviation"],
    )
    assert findings == []
    assert runs_below(tmp_path) == ["run"]
    (path,) = (tmp_path / "run").iterdir()
    whole = path.read_bytes()
    count = len(list(events_of(path)))
    for cut in (1, 5, 1500):
        path.write_bytes(whole[:-cut])
        assert len(list(events_of(path))) == count - 1
    path.write_bytes(whole[:10])
    with pytest.raises(ValueError, match="Expected layer statistics"):
        read_run(tmp_path / "run")
    path.write_bytes(whole)
    with pytest.raises(FileNotFoundError, match=r"holds no event file\. Runs below it"):
        read_run(tmp_path)


def test_too_large_updates_of_all_layers_are_one_notice():
    layers = [{"layer": f"dense_{i}", "type": "Dense", "variable": "kernel"} for i in range(30)]
    ratios = np.full(30, 1e-3, "f4")
    ratios[[0, 14, 29]] = 0.4
    history = history_of({"updates/ratio": (layers, [(step, ratios) for step in range(5)])})
    (notice,) = look_first(history)
    assert (notice.reason, notice.step, notice.others) == ("update_too_large", 0, 2)
    assert history.layers[notice.layer]["name"] == "dense_29"
    assert notice.usual == 1e-3


def test_findings_alone_are_no_run_of_layers(tmp_path):
    writer = EventFileWriter(tmp_path / "diagnosed")
    writer.add_findings(3, [{"cause": "dead_units", "layer": "x"}])
    writer.close()
    fabricated_run.write(tmp_path / "watched", range(0, 100, 10))
    assert runs_below(tmp_path) == ["watched"]


def test_a_fault_of_the_last_layer_stands_beside_the_rate_of_all():
    layers = [{"layer": f"dense_{i}", "type": "Dense"} for i in range(3)]
    kernels = [{**layer, "variable": "kernel"} for layer in layers]
    dead = np.array([0, 0, 1], "f4")
    steps = range(5)
    history = history_of(
        {
            "activations/zero_fraction": (layers, [(step, dead) for step in steps]),
            "updates/ratio": (kernels, [(step, np.full(3, 0.4, "f4")) for step in steps]),
        }
    )
    assert [n.reason for n in look_first(history)] == ["dead", "update_too_large"]
