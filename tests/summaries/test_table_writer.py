import copy
import csv
import errno
import math
import os
import pickle
import signal
import subprocess
import sys
import warnings

import keras
import pytest

import keras_dlnotes as kd
from keras_dlnotes.backend import active
from keras_dlnotes.summaries import TableWriter, table_writer
from tests.callbacks.test_broken_files import During, full_disk
from tests.summaries.training_run import Both, Raising, fit, monitor, network

COLUMNS = ["step", "tag", "value", "wall_time"]


def has_pyarrow():
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


NEEDS_PYARROW = pytest.mark.skipif(not has_pyarrow(), reason="pyarrow is not installed")
SUFFIXES = [".csv", pytest.param(".parquet", marks=NEEDS_PYARROW)]
both_formats = pytest.mark.parametrize("suffix", SUFFIXES)


def read_table(path):
    """List of rows `(step, tag, value, wall_time)`."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.ParquetFile(path).read()
        assert [str(kind) for kind in table.schema.types] == ["int64", "string", "double", "double"]
        names, rows = table.column_names, zip(*table.to_pydict().values(), strict=True)
    else:
        with open(path, encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file)
    assert list(names) == COLUMNS
    return [(int(step), tag, float(value), float(time)) for step, tag, value, time in rows]


def scalars_of(rows):
    """Dict from tag to list of `(step, number)`, as a `MemoryWriter` has it."""
    scalars = {}
    for step, tag, value, _ in rows:
        scalars.setdefault(tag, []).append((step, value))
    return scalars


@both_formats
def test_a_table_holds_what_a_memory_writer_holds(suffix, tmp_path):
    path = tmp_path / "a folder" / f"run{suffix}"
    writer = Both(TableWriter(path))
    fit(writer)
    rows = read_table(path)
    assert scalars_of(rows) == writer.memory.scalars
    assert len(writer.memory.scalars["activations/hidden/zero_fraction"]) == 8
    times = [time for *_, time in rows]
    assert times == sorted(times)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.any_backend
@both_formats
def test_numbers_and_tags_come_back_as_they_are(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    tags = ("tenth", "small", "nan", "inf", "-inf", 'a, "b"/größe', "two\nlines")
    numbers = [0.1, 5e-324, math.nan, math.inf, -math.inf, -0.0, 1e300]
    writer = TableWriter(path)
    writer.add_scalars(2**40, tags, numbers, wall_time=1.7e9 + 1 / 3)
    writer.close()
    rows = read_table(path)
    assert [(step, tag) for step, tag, *_ in rows] == [(2**40, tag) for tag in tags]
    assert [repr(value) for _, _, value, _ in rows] == [repr(number) for number in numbers]
    assert {time for *_, time in rows} == {1.7e9 + 1 / 3}


@both_formats
def test_later_fits_add_to_the_table(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    writer = TableWriter(path)
    model = fit(writer)
    fit(writer, model=model)
    fit(TableWriter(path), model=model)  # as in a new process
    steps = [step for step, _ in scalars_of(read_table(path))["activations/hidden/mean"]]
    assert steps == list(range(24))


@both_formats
def test_a_fit_that_raises_leaves_its_rows(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    watch = monitor(TableWriter(path))
    with pytest.raises(RuntimeError, match="in mid epoch"):
        fit(watch, Raising())
    fit(watch)  # begins by writing what was measured
    steps = [step for step, _ in scalars_of(read_table(path))["activations/hidden/mean"]]
    assert steps == [0, 1, 2, *range(8)]


ENDS = """
import sys
from keras_dlnotes.summaries import TableWriter
from tests.summaries.training_run import Raising, fit
fit(TableWriter(sys.argv[1]), Raising())
"""


@pytest.mark.any_backend
@both_formats
def test_a_process_that_ends_by_an_error_leaves_its_rows(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    ended = subprocess.run([sys.executable, "-c", ENDS, str(path)], capture_output=True, text=True)
    assert "in mid epoch" in ended.stderr
    steps = [step for step, _ in scalars_of(read_table(path))["activations/hidden/mean"]]
    assert steps == [0, 1, 2]


@pytest.mark.any_backend
@pytest.mark.parametrize("cut", ["step,tag", "step,tag,value,wall_time", "3,a/b,0.", "3"])
def test_a_row_that_was_cut_off_is_removed(cut, tmp_path):
    path = tmp_path / "run.csv"
    whole = "" if cut.startswith("step") else "step,tag,value,wall_time\n2,a/b,1.5,10.0\n"
    path.write_text(whole + cut)
    writer = TableWriter(path)
    writer.add_scalars(3, ("a/b",), [2.5], 11.0)
    expected = [(2, "a/b", 1.5, 10.0), (3, "a/b", 2.5, 11.0)]
    assert read_table(path) == (expected if whole else expected[1:])


KILLED = """
import os, signal, sys
from keras_dlnotes.summaries import TableWriter, table_writer
writer = TableWriter(sys.argv[1])
table_writer._SECONDS_BETWEEN_FILES = table_writer._TIMES_LONGER = 0
writer.add_scalars(0, ("a",), [1.0])
writer.add_scalars(1, ("a",), [2.0])
table_writer._SECONDS_BETWEEN_FILES = 1000
writer.add_scalars(2, ("a",), [3.0])
writer.add_scalars(3, ("a",), [4.0])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.any_backend
@both_formats
def test_what_a_killed_process_leaves(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    command = [sys.executable, "-c", KILLED, str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    # Rows of a Parquet file that were held are lost, and the file can be read.
    steps = [0, 1, 2, 3] if suffix == ".csv" else [0, 1, 2]
    assert [step for step, *_ in read_table(path)] == steps
    writer = TableWriter(path)
    writer.add_scalars(4, ("a",), [5.0])
    writer.close()
    assert [step for step, *_ in read_table(path)] == [*steps, 4]


@pytest.mark.any_backend
@NEEDS_PYARROW
def test_a_parquet_file_is_replaced_now_and_then(tmp_path, monkeypatch):
    path = tmp_path / "run.parquet"
    now = 1000.0
    monkeypatch.setattr(table_writer.time, "monotonic", lambda: now)
    writer = TableWriter(path)
    writer.add_scalars(0, ("a",), [1.0])
    assert not path.exists()
    now += 59
    writer.add_scalars(1, ("a",), [1.0])
    assert not path.exists()
    now += 2
    writer.add_scalars(2, ("a",), [1.0])
    assert len(read_table(path)) == 3
    writer.add_scalars(3, ("a",), [1.0])
    assert len(read_table(path)) == 3
    writer.flush()
    assert len(read_table(path)) == 4


def refused(writer, error, match):
    model = network()
    with pytest.raises(error, match=match):
        fit(writer, model=model)
    assert int(model.optimizer.iterations) == 0


@both_formats
def test_a_path_that_cannot_be_written_is_told_before_training(suffix, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / f"folder{suffix}").mkdir()
    for path in (tmp_path / "file" / f"run{suffix}", tmp_path / f"folder{suffix}"):
        refused(TableWriter(path), OSError, r"`path` must be the path of a file.*Pass another")

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(table_writer.os, "makedirs", refuse)
    refused(TableWriter(tmp_path / f"run{suffix}"), OSError, "Read-only file system")


@both_formats
def test_a_file_that_is_something_else_is_left_alone(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    path.write_text("epoch,loss\n0,1.5\n")
    refused(TableWriter(path), ValueError, "must have the columns step, tag, value, wall_time")
    assert path.read_text() == "epoch,loss\n0,1.5\n"
    if suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"epoch": [0]}), path)
        refused(TableWriter(path), ValueError, "which has: epoch")


@pytest.mark.any_backend
def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in '.csv' or '.parquet'.*run\.txt"):
        TableWriter(tmp_path / "run.txt")


@pytest.mark.any_backend
def test_without_pyarrow_parquet_is_refused_and_csv_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        TableWriter(tmp_path / "run.parquet")
    writer = TableWriter(tmp_path / "run.csv")
    writer.add_scalars(0, ("a",), [1.0])
    assert len(read_table(tmp_path / "run.csv")) == 1


@both_formats
def test_histograms_are_refused_and_texts_left_out(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    with pytest.raises(ValueError, match=r"place for histograms.*TableWriter"):
        kd.callbacks.TrainingMonitor(histograms_every=1, writer=TableWriter(path))
    writer = TableWriter(path)
    stopper = kd.callbacks.EarlyStopping("loss", patience=1, min_delta=9, writer=writer)
    regularization = kd.callbacks.RegularizationLog(writer=writer)
    fit(writer, regularization, stopper, epochs=5)
    scalars = scalars_of(read_table(path))
    assert "regularization/penalty" in scalars
    assert "early_stopping/loss/best" in scalars
    assert stopper.reason


@both_formats
def test_only_the_first_process_writes(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"run{suffix}"
    writer = TableWriter(path)
    monkeypatch.setattr(active.processes, "is_chief", lambda model: False)
    fit(writer)
    assert os.listdir(tmp_path) == []


@both_formats
def test_a_full_disk_gives_one_warning(suffix, tmp_path):
    path = tmp_path / f"run{suffix}"
    writer = TableWriter(path)
    limits = []

    def fill():
        limits.append(full_disk())
        limits[0].__enter__()

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = fit(writer, During(1, fill), epochs=4)
    finally:
        limits[0].__exit__(None, None, None)
    told = [str(w.message) for w in caught if "stopped writing" in str(w.message)]
    assert len(told) == 1
    assert int(model.optimizer.iterations) == 16
    fit(writer, model=model)  # there is room again
    steps = [step for step, _ in scalars_of(read_table(path))["activations/hidden/mean"]]
    assert steps[-8:] == list(range(16, 24))


def test_a_csv_file_that_is_deleted_in_mid_run_is_made_anew(tmp_path):
    path = tmp_path / "run.csv"
    fit(TableWriter(path), During(1, lambda: os.remove(path)))
    steps = [step for step, _ in scalars_of(read_table(path))["metrics/epoch_loss"]]
    assert steps == [7]


@both_formats
@pytest.mark.parametrize("function", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_writes_to_the_same_file_and_holds_no_rows(suffix, function, tmp_path):
    path = tmp_path / f"run{suffix}"
    writer = TableWriter(path)
    monitor = kd.callbacks.TrainingMonitor(every=1, writer=writer)
    writer.add_scalars(0, ("a",), [1.0])
    copied = function(monitor).writer
    copied.add_scalars(1, ("a",), [1.0])
    copied.close()
    writer.close()
    assert sorted(step for step, *_ in read_table(path)) == [0, 1]


@NEEDS_PYARROW
@pytest.mark.any_backend
def test_a_folder_named_as_a_setting_adds_no_column(tmp_path):
    path = tmp_path / "rate=0.1" / "run.parquet"
    for step in range(2):
        writer = TableWriter(path)
        writer.add_scalars(step, ("a",), [1.0])
        writer.close()
    assert [step for step, *_ in read_table(path)] == [0, 1]


def test_a_monitor_says_that_it_cannot_show_a_table(tmp_path):
    monitor = kd.callbacks.TrainingMonitor(writer=TableWriter(tmp_path / "run.csv"))
    network().fit(*[keras.ops.ones((8, n)) for n in (3, 1)], verbose=0, callbacks=[monitor])
    assert "Writes to a TableWriter, which cannot be read back" in str(monitor)
