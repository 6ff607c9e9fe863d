"""Event files stay under their limit, and lose steps only."""

import errno
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import keras
import numpy as np
import pytest

from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import EventFileWriter, thinning
from keras_dlnotes_layers.event_files import events_of, read_run
from keras_dlnotes_layers.format import FINDINGS_TAG
from tests.summaries.test_event_file_writer import read_back

ROWS = [{"layer": f"layer_{i}", "type": "Dense"} for i in range(50)]
TAG = "activations/layer_0/mean"
LIMIT = 0.1


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    """It waits for the disk, seconds where others write; the limit here is small."""
    monkeypatch.setattr(thinning.os, "fsync", lambda file: None)


def record(writer, step, every_epoch=50):
    numbers = np.random.default_rng(step).normal(size=50).astype("f4")
    writer.add_layers(step, [("activations/mean", ROWS, numbers)])
    writer.add_scalars(step, (TAG,), [float(step)])
    writer.add_scalars(step, ("metrics/batch_loss",), [float(step)])
    if step % every_epoch == 0:
        writer.add_scalars(step, ("metrics/epoch_loss",), [float(step)])


def size(folder):
    return sum(os.path.getsize(folder / name) for name in os.listdir(folder))


def write(folder, steps, **options):
    writer = EventFileWriter(folder, **({"max_megabytes": LIMIT} | options))
    for step in steps:
        record(writer, step)
    writer.flush()
    assert writer.failure is None
    return writer


def test_the_limit_holds_and_steps_go_evenly(tmp_path):
    writer = EventFileWriter(tmp_path, max_megabytes=LIMIT)
    writer.add_custom_scalars({"category": {"chart": ["^a/.*$"]}})
    writer.add_text(0, "text", "a text")
    writer.add_findings(0, [{"cause": "dead"}])
    for step in range(0, 20000, 10):
        record(writer, step)
        if step % 1000 == 0:
            writer.flush()
            assert size(tmp_path) < 1.02e6 * LIMIT
    writer.close()
    assert writer.failure is None
    assert os.listdir(tmp_path) == [os.path.basename(writer.path)]
    history, findings = read_run(tmp_path)
    steps = history.steps
    assert (steps[0], steps[-1]) == (0, 19990)
    assert len(steps) > 100
    old = np.diff(steps[: len(steps) // 3])
    assert len(set(old)) == 1
    assert old[0] > 10  # as coarse everywhere
    assert set(np.diff(steps[-5:])) == {10}  # the newest are whole
    events = read_back(tmp_path)
    for tag in (TAG, "metrics/batch_loss"):
        assert [event.step for event in events.Scalars(tag)] == steps.tolist()
        assert [event.value for event in events.Scalars(tag)] == steps.tolist()
    rows, numbers = history.parts["activations/mean"]
    assert rows == ROWS
    for step, vector in zip(steps, numbers, strict=True):
        np.testing.assert_array_equal(
            vector, np.random.default_rng(step).normal(size=50).astype("f4")
        )
    # Nothing but recorded steps may go.
    assert [event.step for event in events.Scalars("metrics/epoch_loss")] == list(
        range(0, 20000, 50)
    )
    assert findings == [{"cause": "dead"}]
    assert {"text", "custom_scalars__config__", FINDINGS_TAG} <= set(events.Tags()["tensors"])


def test_histograms_are_thinned_on_their_own(tmp_path):
    writer = EventFileWriter(tmp_path, max_megabytes=LIMIT)
    for step in range(2000):
        record(writer, step)
        if step % 35 == 0:  # of no power of 2
            writer.add_histogram(step, "activations/layer_0/histogram", 0.0, 1.0, np.arange(30))
    writer.close()
    steps = [event.step for event in read_back(tmp_path).Tensors("activations/layer_0/histogram")]
    assert steps[0] == 0
    assert steps[-1] == 1995
    assert 10 < len(steps) < 57
    assert {(b - a) % 35 for a, b in itertools.pairwise(steps)} == {0}


def test_without_a_limit_nothing_goes(tmp_path):
    write(tmp_path, range(1000), max_megabytes=None).close()
    assert len(read_run(tmp_path)[0].steps) == 1000
    assert size(tmp_path) > 2e6 * LIMIT


def test_the_limit_is_that_of_all_files_of_a_run(tmp_path):
    for fit in range(5):
        write(tmp_path, range(400 * fit, 400 * fit + 400)).close()
        assert size(tmp_path) < 1.02e6 * LIMIT
    assert len(os.listdir(tmp_path)) == 5
    names = sorted(os.listdir(tmp_path))
    firsts = [next(e.step for e in events_of(tmp_path / n) if e.summary.value) for n in names]
    assert firsts == sorted(firsts)  # TensorBoard reads them in this order
    history, _ = read_run(tmp_path)
    assert (history.steps[0], history.steps[-1]) == (0, 1999)
    assert history.parts["activations/mean"][0] == ROWS
    events = read_back(tmp_path)
    assert [e.step for e in events.Scalars("metrics/epoch_loss")] == list(range(0, 2000, 50))


def test_files_that_another_has_open_or_that_hold_no_steps_are_left_alone(tmp_path):
    other = EventFileWriter(tmp_path)  # of another callback
    other.add_scalars(0, ("early_stopping/best",), [1.0])
    writing = write(tmp_path, range(300), max_megabytes=None)
    before = sorted(os.listdir(tmp_path))
    whole = (tmp_path / writing.path).read_bytes()
    mine = write(tmp_path, range(300, 1500))
    record(writing, 1500)
    writing.close()
    other.close()
    assert writing.failure is None
    assert (tmp_path / writing.path).read_bytes().startswith(whole)
    assert set(before) < set(os.listdir(tmp_path))
    assert os.path.getsize(mine.path) < 1.02e6 * LIMIT
    mine.close()


def test_a_process_that_was_killed_leaves_its_file_to_the_next(tmp_path):
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.summaries.test_thinning import write\n"
        f"write(Path({str(tmp_path)!r}), range(100))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(read_run(tmp_path)[0].steps) == 100
    write(tmp_path, range(100, 1500)).close()
    assert size(tmp_path) < 1.02e6 * LIMIT
    steps = read_run(tmp_path)[0].steps
    assert steps[0] == 0
    assert len(steps[steps < 100]) < 100


@pytest.mark.parametrize("place", ["write", "replace", "open"])
def test_a_thinning_that_fails_loses_nothing(place, tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    tried = []

    def fail(*arguments, **options):
        tried.append(1)
        raise full

    if place == "write":
        monkeypatch.setattr(thinning.os, "fsync", fail)
    elif place == "replace":
        monkeypatch.setattr(thinning.os, "replace", fail)
    else:
        original = thinning.thinned_files
        missing = str(tmp_path / "missing" / "file")
        monkeypatch.setattr(
            "keras_dlnotes.summaries.event_file_writer.thinned_files",
            lambda *arguments: tried.append(1) or [*original(*arguments), missing],
        )
    writer = write(tmp_path, range(1000))
    assert 1 <= len(tried) < 40  # not at each step
    assert os.listdir(tmp_path) == [os.path.basename(writer.path)]
    assert len(read_run(tmp_path)[0].steps) == 1000
    monkeypatch.undo()
    for step in range(1000, 1200):
        record(writer, step)
    writer.close()
    assert size(tmp_path) < 1.02e6 * LIMIT
    assert read_run(tmp_path)[0].steps[0] == 0


def test_what_a_crash_cut_off_or_left_twice_can_be_thinned(tmp_path):
    first = write(tmp_path, range(300))
    first.close()
    with open(first.path, "r+b") as file:
        file.truncate(os.path.getsize(first.path) - 7)
    # Killed after the copy was made and before the file was removed.
    shutil.copy(first.path, thinning.next_name(first.path))
    write(tmp_path, range(300, 2000)).close()
    steps = read_run(tmp_path)[0].steps
    assert steps[0] == 0
    assert steps[-1] == 1999
    assert size(tmp_path) < 1.02e6 * LIMIT


def test_a_damaged_file_of_the_run_is_left_alone(tmp_path):
    first = write(tmp_path, range(100))
    first.close()
    damaged = bytearray((tmp_path / first.path).read_bytes())
    damaged[10000:10400] = b"\xff" * 400
    (tmp_path / first.path).write_bytes(damaged)
    second = write(tmp_path, range(100, 1500))
    second.close()
    assert (tmp_path / first.path).read_bytes() == damaged
    assert os.path.getsize(second.path) < 1.02e6 * LIMIT


@pytest.mark.parametrize("megabytes", [0, -1, float("nan"), float("inf"), "50", True])
def test_bad_limits(megabytes):
    for make in (EventFileWriter, TrainingMonitor):
        with pytest.raises(ValueError, match="`max_megabytes` must be a number of megabytes"):
            make("logs", max_megabytes=megabytes)


def test_a_monitor_keeps_its_limit_over_several_fits(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="only")])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    watch = TrainingMonitor(tmp_path, every=1, max_megabytes=0.03)
    for _ in range(3):
        model.fit(x, x[:, :1], batch_size=2, epochs=3, verbose=0, callbacks=[watch])
    assert size(tmp_path) < 0.04e6
    steps = read_run(tmp_path)[0].steps
    assert (steps[0], steps[-1]) == (0, 287)
    losses = read_back(tmp_path).Scalars("metrics/epoch_loss")
    assert [event.step for event in losses] == list(range(31, 288, 32))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the same on every backend")
def test_a_running_tensorboard_goes_on_to_show_the_run(tmp_path):
    """Its data server keeps files open: it must see the thinner file, and what is added to it."""
    writer = EventFileWriter(tmp_path / "run", flush_seconds=0.1, max_megabytes=LIMIT)
    for step in range(100):
        record(writer, step)
    writer.flush()
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(tmp_path),
        "--host",
        "127.0.0.1",
    ]
    log = tmp_path / "log"
    with open(log, "w") as output:
        server = subprocess.Popen(
            [*command, "--port", "0", "--reload_interval", "1"], stderr=output, stdout=output
        )
    try:
        address = _wait(lambda: _address(log.read_text()))

        def shown():
            query = f"{address}data/plugin/scalars/scalars?run=run&tag={TAG}"
            with urllib.request.urlopen(query, timeout=5) as answer:
                return [point[1] for point in json.load(answer)]

        _wait(lambda: shown()[-1] == 99)
        path = writer.path
        for step in range(100, 300):
            record(writer, step)
        writer.flush()
        assert writer.path != path
        _wait(lambda: shown()[-1] == 299)
        assert shown() == [e.step for e in read_back(tmp_path / "run").Scalars(TAG)]
        record(writer, 300)
        writer.close()
        _wait(lambda: shown()[-1] == 300)
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def _address(text):
    found = re.search(r"http://127\.0\.0\.1:\d+/", text)
    return found and found[0]


def _wait(condition):
    end = time.monotonic() + 60
    while True:
        try:
            if found := condition():
                return found
        except (OSError, IndexError):  # not yet
            pass
        assert time.monotonic() < end
        time.sleep(0.3)


def test_seldom_and_large_histograms_do_not_push_out_the_layers(tmp_path):
    writer = EventFileWriter(tmp_path, max_megabytes=LIMIT)
    for step in range(200):
        record(writer, step)
        if step % 10 == 0:
            tag = "activations/layer_0/histogram"
            writer.add_histogram(step, tag, 0.0, 1.0, np.arange(400))
    writer.close()
    assert size(tmp_path) < 1.3e6 * LIMIT
    histograms = read_back(tmp_path).Tensors("activations/layer_0/histogram")
    assert len(histograms) < 20
    # With one spacing for both kinds there would be about one in sixteen.
    assert len(read_run(tmp_path)[0].steps) > 40
