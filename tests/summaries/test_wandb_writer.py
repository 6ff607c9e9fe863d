import copy
import json
import math
import pathlib
import pickle
import struct
import sys
import time

import numpy as np
import pytest

import keras_dlnotes as kd
from keras_dlnotes.backend import active
from keras_dlnotes.summaries import WandbWriter
from tests.summaries.training_run import Both, Raising, fit, monitor, network


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a run that is kept in a folder; what is read back is that of `Recorded`."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")

    def begin(**options):
        return wandb.init(mode="offline", dir=tmp_path, project="tests", **options)

    yield begin
    if wandb.run is not None:
        wandb.finish()


def records_of(path):
    """The records of a run's file, which has the format of LevelDB's log."""
    log, place, record = path.read_bytes(), 7, b""
    while place + 7 <= len(log):
        if 0 < (left := -place % 32768) < 7:  # no room for another header in this block
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", log, place)
        record += log[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # all of a record, or the last part of it
            yield record
            record = b""


def row_of(history):
    """What one call of `log` was given."""
    row = {}
    for item in history.item:
        tag, *keys = item.nested_key or [item.key]
        value = json.loads(item.value_json)
        if keys:
            row.setdefault(tag, {})[keys[0]] = value
        else:
            row[tag] = value
    return row


class Recorded:
    """What is in the file of a run that is finished.

    Attributes:
        rows: list of dicts, one a call of `log`.
        metrics: dict from what `define_metric` was given to the name of the x-axis.
    """

    def __init__(self, run):
        from wandb.proto.wandb_internal_pb2 import Record

        run.finish()
        path = pathlib.Path(run.dir).parent / f"run-{run.id}.wandb"
        for _ in range(300):  # `finish` does not wait until all is in the file
            records = [Record.FromString(data) for data in records_of(path)]
            if records and records[-1].HasField("exit"):
                break
            time.sleep(0.1)
        self.rows = [row_of(r.history) for r in records if r.HasField("history")]
        metrics = [record.metric for record in records if record.HasField("metric")]
        self.metrics = {metric.glob_name or metric.name: metric.step_metric for metric in metrics}

    def scalars(self):
        """Dict from tag to list of `(step, number)`, as a `MemoryWriter` has it."""
        scalars = {}
        for row in self.rows:
            for tag, value in row.items():
                if not tag.startswith("_") and tag != "train_step":
                    scalars.setdefault(tag, []).append((row["train_step"], value))
        return scalars


def test_a_run_holds_what_a_memory_writer_holds(start):
    writer = Both(WandbWriter())
    with start() as run:
        fit(writer)
        last = run.summary["metrics/epoch_loss"]
    recorded = Recorded(run)
    scalars = writer.memory.scalars
    assert recorded.scalars() == scalars
    sections = ("activations", "gradients", "weights", "updates", "metrics", "monitor")
    expected = {f"{section}/*": "train_step" for section in sections}
    assert recorded.metrics == {"train_step": ""} | expected
    assert last == scalars["metrics/epoch_loss"][-1][1]


def test_histograms_and_texts(start):
    run = start()
    writer = WandbWriter(run)
    fit(writer, histograms_every=4)
    writer.add_histogram(9, "a/one_value", 2.0, 2.0, np.array([0, 5, 0]))
    writer.add_text(9, "stopping/reason", "no progress")
    scalars = Recorded(run).scalars()
    histograms = scalars["gradients/net/hidden/kernel/histogram"]
    assert [step for step, _ in histograms] == [0, 4]
    for _, histogram in histograms:
        assert histogram["_type"] == "histogram"
        assert sum(histogram["values"]) == 12
        assert len(histogram["bins"]) == len(histogram["values"]) + 1
    assert scalars["a/one_value"] == [
        (9, {"_type": "histogram", "values": [5], "bins": [1.5, 2.5]})
    ]
    assert scalars["stopping/reason"] == [(9, "no progress")]


def test_an_earlier_step_is_kept(start):
    run = start()
    writer = WandbWriter()
    for step in (5, 3, 3, 9):
        writer.add_scalars(step, ("a/b",), [step / 2])
    assert Recorded(run).scalars() == {"a/b": [(5, 2.5), (3, 1.5), (3, 1.5), (9, 4.5)]}


def test_numbers_that_are_not_finite(start):
    run = start()
    WandbWriter().add_scalars(0, ("nan", "inf", "-inf"), [math.nan, math.inf, -math.inf])
    numbers = {tag: value for tag, [(_, value)] in Recorded(run).scalars().items()}
    assert math.isnan(numbers.pop("nan"))
    assert numbers == {"inf": math.inf, "-inf": -math.inf}


def test_later_fits_write_to_the_run_that_is_active_then(start):
    writer = WandbWriter()
    with start() as first:
        model = fit(writer)
        fit(writer, model=model)
    with start() as second:
        fit(writer, model=model)
    steps = []
    for run in (first, second):
        recorded = Recorded(run)
        assert recorded.metrics["metrics/*"] == "train_step"
        steps.append([step for step, _ in recorded.scalars()["metrics/batch_loss"]])
    assert steps == [list(range(16)), list(range(16, 24))]


def test_a_fit_that_raises_leaves_what_was_measured(start):
    run = start()
    watch = monitor(WandbWriter())
    with pytest.raises(RuntimeError, match="in mid epoch"):
        fit(watch, Raising())
    watch.on_train_begin()  # what the next `fit` begins with
    assert len(Recorded(run).scalars()["activations/hidden/mean"]) == 3


def test_without_a_run_training_does_not_begin(start):
    model = network()
    with pytest.raises(RuntimeError, match=r"none is active. Call wandb.init"):
        fit(WandbWriter(), model=model)
    assert int(model.optimizer.iterations) == 0


def test_a_run_that_is_finished_gives_one_warning(start):
    run = start()
    run.finish()
    with pytest.warns(UserWarning, match="training monitor stopped writing to its writer"):
        model = fit(WandbWriter(run))
    assert int(model.optimizer.iterations) == 8


def test_other_processes_than_the_first_need_no_run(start, monkeypatch):
    monkeypatch.setattr(active.processes, "is_chief", lambda model: False)
    fit(WandbWriter())


@pytest.mark.parametrize("function", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_writes_to_the_same_run(function, start):
    writer = WandbWriter()
    with start() as run:
        fit(writer)
        monitor = function(kd.callbacks.TrainingMonitor(writer=writer))
        monitor.writer.add_scalars(99, ("a",), [1.5])
    assert Recorded(run).scalars()["a"] == [(99, 1.5)]


def test_without_wandb_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="pip install wandb"):
        WandbWriter()
    # A folder of runs, which Python takes for a package.
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ImportError, match="pip install wandb"):
        WandbWriter()
    sys.modules.pop("wandb", None)
