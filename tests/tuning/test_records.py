"""What a search leaves to be looked at: HParams dashboard, curves, table, picture, progress."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import optuna
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    list_session_groups,
    plugin_data_pb2,
)

import keras_dlnotes as kd
from keras_dlnotes.tuning import GridSearch, RandomSearch
from keras_dlnotes.tuning.__main__ import main
from tests.landscape_model import LandscapeModel


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search with a failed trial, pruned ones, and one parameter under a condition."""

    def build(hp):
        number = hp.Int("number", 0, 7)
        if number == 3:
            raise MemoryError("out of memory")
        if number > 5:
            hp.Choice("kind", ["a", None])
        return LandscapeModel(
            lambda epoch: {"loss": 1.0 / (epoch + 1), "val_loss": number + 1 / (epoch + 1)}
        )

    made = GridSearch(
        build,
        mode="max",
        directory=tmp_path_factory.mktemp("records"),
        name="study",
        pruner=optuna.pruners.ThresholdPruner(lower=1.0),
        verbose=0,
    )
    made.run([1], [1], validation_data=([1], [1]), epochs=3)
    return made


def events_of(folder):
    (path,) = folder.glob("events*")
    return EventAccumulator(str(path)).Reload()


def session(search, number):
    events = events_of(search.trial_directory(number) / "best_epoch")
    content = events.summary_metadata
    start, end = (
        plugin_data_pb2.HParamsPluginData.FromString(content[tag].plugin_data.content)
        for tag in ("_hparams_/session_start_info", "_hparams_/session_end_info")
    )
    return events, start.session_start_info, end.session_end_info


def test_every_trial_is_in_the_hparams_dashboard_with_its_curve(search):
    outcomes = set()
    for row in search.results():
        events, start, end = session(search, row["trial"])
        curves = events_of(search.trial_directory(row["trial"]))
        outcomes.add(row["state"])
        assert start.hparams["outcome"].string_value == row["state"]
        assert start.hparams["number"].number_value == row["hyperparameters"]["number"]
        if "kind" in row["hyperparameters"]:
            assert start.hparams["kind"].string_value == str(row["hyperparameters"]["kind"])
        assert 0 < start.start_time_secs <= end.end_time_secs
        failed = row["state"] == "failed"
        assert end.status == (api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS)
        if failed:
            (text,) = curves.Tensors("failure")
            assert b"MemoryError: out of memory" in text.tensor_proto.string_val[0]
            continue
        curve = [event.value for event in curves.Scalars("val_loss")]
        number = row["hyperparameters"]["number"]
        np.testing.assert_allclose(curve, number + 1 / np.arange(1, row["epochs"] + 1), rtol=1e-6)
        assert [event.value for event in events.Scalars("objective")] == [row["objective"]]
    assert outcomes == {"finished", "pruned", "failed"}


def test_a_second_execution_has_a_curve_of_its_own(tmp_path):
    def build(hp):
        hp.Boolean("x")
        return LandscapeModel(lambda epoch: {"loss": 1.0})

    made = RandomSearch(build, "loss", 1, tmp_path, executions_per_trial=2, verbose=0)
    made.run()
    (path,) = (made.trial_directory(0) / "execution_1").glob("events*")
    assert EventAccumulator(str(path)).Reload().Tags()["scalars"] == ["loss"]


def test_the_table_is_printed_from_disk(search, capsys):
    main(["show", str(search.directory)])
    printed = capsys.readouterr().out
    assert printed.strip() == str(search.results())
    head, *body = printed.splitlines()
    assert head.split()[:4] == ["trial", "state", "val_loss", "number"]
    assert len(body) == len(search.results()) == 10
    assert "MemoryError: out of memory" in printed
    with pytest.raises(SystemExit):
        main(["show", str(search.directory / "nothing")])
    assert "Found none" in capsys.readouterr().err


def test_the_picture_shows_every_trial_and_parameter(search, tmp_path):
    figure = search.plot(tmp_path / "search.png")
    assert (tmp_path / "search.png").stat().st_size > 5000
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_visible()]
    assert labels == ["trial", "number", "kind"]
    shown = sum(len(points.get_offsets()) for points in figure.axes[0].collections)
    assert shown == 9  # all but the failed one


def test_progress_says_best_trial_and_time_left(tmp_path, capsys):
    def build(hp):
        x = hp.Choice("x", [1, 2])
        if x == 2:
            raise ValueError("too big\nsecond line")
        return LandscapeModel(lambda epoch: {"loss": x})

    GridSearch(build, "loss", 2, tmp_path).run()
    lines = sorted(capsys.readouterr().out.splitlines())
    assert lines[0].startswith("1/2 | trial 0 ")
    assert lines[1].startswith("2/2 | trial 1 ")
    assert lines[1].endswith("0:00:00 left")
    assert "best 1 (trial" in lines[1]
    (failed,) = (line for line in lines if "failed: ValueError: too big" in line)
    assert "second line" not in failed
    GridSearch(build, "loss", 2, tmp_path).run()
    assert capsys.readouterr().out == "Resuming after 2 trials.\n"


def test_the_hparams_dashboard_shows_the_best_epoch_alone(tmp_path):
    def build(hp):
        x = hp.Choice("x", [1])
        return LandscapeModel(
            lambda epoch: {"loss": [7, 4, 2][epoch], "val_loss": x + [5, 1, 9][epoch]}
        )

    made = RandomSearch(build, "val_loss", 1, tmp_path, executions_per_trial=2, verbose=0)
    made.run([1], [1], validation_data=([1], [1]), epochs=3)
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    data = MultiplexerDataProvider(multiplexer.Reload(), str(tmp_path))
    context = backend_context.Context(TBContext(data_provider=data))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=9, allowed_statuses=[api_pb2.STATUS_SUCCESS]
    )
    listed = list_session_groups.Handler(RequestContext(), context, "", request).run()
    (group,) = listed.session_groups
    shown = [(metric.name.group, metric.name.tag, metric.value) for metric in group.metric_values]
    assert shown == [("", "loss", 4), ("", "objective", 2), ("", "val_loss", 2)]


WITHOUT_OPTUNA = {
    "not_there": "import sys; sys.modules['optuna'] = None",
    "too_old": (
        "import importlib.metadata, optuna\n"
        "importlib.metadata.version = lambda name: '4.9.0'\n"
        "optuna.__version__ = '4.9.0'"
    ),
}


@pytest.mark.parametrize("missing", WITHOUT_OPTUNA)
def test_without_optuna_all_but_tuning_works_and_the_error_names_the_extra(missing):
    code = f"""{WITHOUT_OPTUNA[missing]}
from keras_dlnotes import *
import keras_dlnotes as kd
assert "tuning" not in globals() and optimizers is kd.optimizers
assert not hasattr(kd, "tuning") and "tuning" not in dir(kd) and "optimizers" in dir(kd)
assert getattr(kd, "tuning", None) is None
try: kd.tuning
except AttributeError as error: print(error)
try: from keras_dlnotes import tuning
except ImportError as error: print(error)
try: import keras_dlnotes.tuning
except ImportError as error: print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.count("'keras_dlnotes[tuning]'") == 3, run.stderr


@pytest.mark.parametrize("name", ["optuna", "filelock"])
def test_tuning_is_not_listed_where_a_package_that_it_needs_is_not_found(name, monkeypatch):
    found = importlib.util.find_spec

    def refuse(asked):
        if asked == name:
            raise ImportError(name)
        return found(asked)

    assert kd._has_optuna()
    monkeypatch.setattr(importlib.util, "find_spec", refuse)
    assert not kd._has_optuna()
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: asked != name and found(asked))
    assert not kd._has_optuna()


def test_with_optuna_tuning_is_listed_before_it_is_imported():
    code = (
        "import sys; import keras_dlnotes as kd\n"
        "assert 'tuning' in dir(kd) and 'tuning' in kd.__all__ and 'optuna' not in sys.modules\n"
        "from keras_dlnotes import *\n"
        "assert tuning is kd.tuning and hasattr(kd, 'tuning') and not hasattr(kd, 'tunings')\n"
        "print('reached')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "reached\n", run.stderr


def test_a_real_network_is_tuned_and_its_best_epoch_comes_back(tmp_path):
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True)

    class Network(keras.Model):
        """Built by its first batch: nothing but the trial's folder knows its shapes."""

        def __init__(self, units):
            super().__init__()
            self.hidden, self.last = keras.layers.Dense(units), keras.layers.Dense(1)

        def call(self, inputs):
            return self.last(self.hidden(inputs))

    def build(hp):
        model = Network(hp.Choice("units", [4]))
        model.compile(keras.optimizers.Adam(hp.Choice("rate", [0.05])), "mse", run_eagerly=True)
        return model, {"batch_size": 32}

    def run(name):
        made = RandomSearch(build, max_trials=1, directory=tmp_path, name=name, verbose=0)
        return made, made.run(x, y, validation_data=(x, y), epochs=4)[0]

    made, row = run("first")
    assert row["state"] == "finished", row["message"]
    model = made.best_model()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(row["objective"], rel=1e-5)
    assert run("again")[1]["objective"] == row["objective"]
    keras.config.set_floatx("float32")
