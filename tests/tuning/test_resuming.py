"""A search that is killed, interrupted or cut off goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import keras
import optuna
import pytest

from keras_dlnotes.tuning import GridSearch, RandomSearch
from tests.landscape_model import LandscapeModel, constant
from tests.tuning.worker import search_of


def rows(search):
    keys = ("trial", "state", "objective", "hyperparameters", "epochs")
    return [[row[key] for key in keys] for row in search.results()]


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def start_worker(**arguments):
    # Which backend does not matter: nothing is trained. JAX is the quickest to import.
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tuning.worker", json.dumps(arguments)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="starts a process that runs on JAX")
def test_kill_9_in_the_middle_of_a_trial_changes_nothing(tmp_path):
    started = tmp_path / "started"
    killed = tmp_path / "killed"
    worker = start_worker(directory=str(killed), trials=6, seconds=0.1, started=str(started))
    deadline = time.monotonic() + 60
    while len(lines(started)) < 3:
        assert worker.poll() is None, worker.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    resumed = search_of(killed, 6)
    assert [row["state"] for row in resumed.results()] == ["finished", "finished", "running"]
    begin = time.monotonic()
    resumed.run(epochs=3)
    assert time.monotonic() - begin < 15  # it does not wait for the dead worker's locks
    whole = search_of(tmp_path / "whole", 6)
    whole.run(epochs=3)
    assert rows(resumed) == rows(whole)


def test_a_trial_waits_for_the_disk_once_it_has_ended(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(
        os, "fsync", lambda file: waits.append(lines(tmp_path / "s" / "journal.log"))
    )
    RandomSearch(
        lambda hp: constant(hp.Float("x", 0, 1)), "loss", 3, tmp_path, "s", verbose=0
    ).run()
    assert len(waits) == 3
    assert all('"state"' in written[-1] for written in waits)


@pytest.mark.parametrize("kind", [RandomSearch, GridSearch])
def test_an_interrupt_from_the_keyboard_leaves_the_trial_to_be_run_again(tmp_path, kind, capsys):
    def build(interrupt_at):
        def build(hp):
            x = hp.Choice("x", [1, 2, 3, 4])

            def curve(epoch):
                if epoch == 1 and x == interrupt_at:
                    raise KeyboardInterrupt
                return {"loss": x / (epoch + 1)}

            return LandscapeModel(curve)

        return build

    whole = kind(build(None), "loss", 4, tmp_path, "whole", verbose=0)
    whole.run(epochs=2)
    third = whole.results()[2]["hyperparameters"]["x"]
    stopped = kind(build(third), "loss", 4, tmp_path, "stopped")
    with pytest.raises(KeyboardInterrupt):
        stopped.run(epochs=2)
    assert "The same call goes on" in capsys.readouterr().out
    resumed = kind(build(None), "loss", 4, tmp_path, "stopped", verbose=0)
    resumed.run(epochs=2)
    assert rows(resumed) == rows(whole)
    assert len(list((tmp_path / "stopped").glob("trial_*/events*"))) == 4  # no half curves left


def test_a_resumed_trial_is_judged_by_the_pruner_as_before(tmp_path):
    def search(name, interrupt):
        def build(hp):
            number = hp.Int("number", 0, 10**6)  # only to tell the trials apart
            trial = len(seen) if number not in seen else seen.index(number)
            if number not in seen:
                seen.append(number)

            def curve(epoch):
                if interrupt and trial == 6 and epoch == 3 and not interrupted:
                    interrupted.append(True)
                    raise KeyboardInterrupt
                return {"loss": (trial if epoch < 4 else 9 * trial) / (epoch + 1) * (-1) ** trial}

            return LandscapeModel(curve)

        seen, interrupted = [], []
        made = RandomSearch(build, "loss", 8, tmp_path, name, pruner="median", verbose=0)
        try:
            made.run(epochs=6)
        except KeyboardInterrupt:
            made.run(epochs=6)
        return rows(made)

    assert search("whole", False) == search("stopped", True)


def test_half_a_line_at_the_end_of_the_journal_is_cut_off(tmp_path):
    search = RandomSearch(lambda hp: constant(hp.Float("x", 0, 1)), "loss", 2, tmp_path, verbose=0)
    before = list(search.run())
    with open(tmp_path / "search" / "journal.log", "ab") as journal:
        journal.write(b'{"op_code": 4, "work')
    search.max_trials = 3
    after = search.run()
    assert after[:2] == before
    assert after[2]["state"] == "finished"


def test_a_journal_that_is_none_is_said_to_be_none(tmp_path):
    search = RandomSearch(lambda hp: constant(hp.Float("x", 0, 1)), "loss", 2, tmp_path, verbose=0)
    search.run()
    journal = search.directory / "journal.log"
    for broken in (b"garbage{", b"\xff\xfe\xb9"):
        journal.write_bytes(broken + b"\n" + journal.read_bytes())
        with pytest.raises(ValueError, match=r"journal of a search.*Restore the file"):
            search.results()


def test_a_search_goes_on_with_more_trials_and_only_with_its_own_settings(tmp_path):
    def search(trials=2, objective="loss", **arguments):
        return RandomSearch(
            lambda hp: constant(hp.Float("x", 0, 1)),
            objective,
            trials,
            tmp_path,
            verbose=0,
            **arguments,
        )

    first = search(2).run()
    assert search(4).run()[:2] == first
    with pytest.raises(ValueError, match=r"'seed': 0.*'seed': 1"):
        search(seed=1).run()
    with pytest.raises(ValueError, match=r"'objective': 'loss'.*another `name`"):
        search(objective="accuracy").run()
    with pytest.raises(ValueError, match=r"'space': \{\}.*'y'"):
        search(space={"y": [1, 2]}).run()


def test_a_search_that_goes_on_with_another_training_warns_what_differs(tmp_path):
    search_of(tmp_path, 1).run(epochs=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search_of(tmp_path, 2).run(epochs=3)
    with pytest.warns(UserWarning, match=r"\{'epochs': 3\} and goes on with \{'epochs': 4\}"):
        search_of(tmp_path, 3).run(epochs=4)
    changed = search_of(tmp_path, 4)
    changed.pruner = optuna.pruners.MedianPruner()
    with pytest.warns(UserWarning, match="'pruner': 'MedianPruner'"):
        changed.run(epochs=3)
    assert len(changed.results()) == 4
