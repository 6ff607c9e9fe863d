"""Several processes share the trials of one search, over a journal and over PostgreSQL."""

import getpass
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_dlnotes.tuning import RandomSearch
from keras_dlnotes.tuning.study_store import StudyStore
from tests.landscape_model import LandscapeModel
from tests.tuning.test_resuming import lines, start_worker
from tests.tuning.worker import search_of

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="starts processes that run on JAX"
)

# Keras imports TensorFlow on every backend where it is installed, to seed it; that takes seconds.
WITHOUT_TENSORFLOW = """
import runpy, sys
sys.modules["tensorflow"] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def check_each_trial_ran_once(worker, processes, started, search, trials):
    errors = worker.communicate(timeout=300)[1]
    assert worker.returncode == 0, errors
    table = search.results()
    assert [row["state"] for row in table] == ["finished"] * trials
    ran = [line.split() for line in lines(started)]
    assert sorted(x for _, x in ran) == sorted(repr(row["hyperparameters"]["x"]) for row in table)
    assert len({process for process, _ in ran}) == processes


def test_four_processes_share_a_journal(tmp_path):
    started = tmp_path / "started"
    worker = start_worker(
        directory=str(tmp_path), trials=32, seconds=0.03, started=str(started), processes=4
    )
    check_each_trial_ran_once(worker, 4, started, search_of(tmp_path, 32), 32)


def programs():
    """PostgreSQL's own programs, which Debian keeps out of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb", path=os.pathsep.join(map(str, [*folders, os.environ["PATH"]])))
    return None if found is None else Path(found).parent


class Server:
    """A PostgreSQL server of its own, with an empty database."""

    def __init__(self, folder, data, user):
        self._folder, self._data, self._user = folder, data, user
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"postgresql://tuner@127.0.0.1:{port}/postgres"
        self._options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("initdb", "--auth=trust", "--username=tuner", "--no-sync")

    def start(self):
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", self._options, "start")

    def stop(self):
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program, *arguments):
        command = [str(self._folder / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self._data)


@pytest.fixture
def server():
    pytest.importorskip("psycopg", reason="left out: psycopg is not installed")
    folder = programs()
    if folder is None:
        pytest.skip("left out: PostgreSQL is not installed (Debian's package postgresql)")
    user = getpass.getuser()
    if user == "root":  # the server refuses to run as root
        user = "postgres"
        if user not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("left out: PostgreSQL does not run as root, and there is no user postgres")
    data = Path("/tmp") / f"keras_dlnotes_postgresql_{os.getpid()}"
    data.mkdir()
    shutil.chown(data, user)
    try:
        server = Server(folder, data, user)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(data)


@pytest.fixture
def postgresql(server):
    """The URL of an empty database."""
    return server.url


def test_processes_share_a_postgresql_server_and_one_takes_over_what_was_killed(
    tmp_path, postgresql
):
    started = tmp_path / "started"
    arguments = {"directory": str(tmp_path), "trials": 12, "storage": postgresql}
    killed = start_worker(**arguments, seconds=0.3, started=str(tmp_path / "killed"))
    while not lines(tmp_path / "killed"):
        assert killed.poll() is None, killed.stderr.read()
    killed.kill()
    killed.communicate()
    worker = start_worker(**arguments, seconds=0.05, started=str(started), processes=2)
    shared = search_of(tmp_path, 12, storage=postgresql)
    check_each_trial_ran_once(worker, 2, started, shared, 12)
    alone = search_of(tmp_path / "alone", 12)
    alone.run(epochs=3)
    assert [row["hyperparameters"] for row in shared.results()] == [
        row["hyperparameters"] for row in alone.results()
    ]


def start_example(folder, storage):
    """The example on two learning rates and three decays, in a folder and a process of its own."""
    folder.mkdir()
    example = Path(__file__).parents[2] / "examples" / "tuning.py"
    # `python examples/tuning.py` finds the modules beside it, `runpy` does not.
    paths = os.pathsep.join([str(example.parents[1]), str(example.parent)])
    return subprocess.Popen(
        [
            *(sys.executable, "-c", WITHOUT_TENSORFLOW, str(example)),
            *("--rates", "2", "--directory", str(folder), "--storage", storage),
        ],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_example_shares_its_trainings_and_survives_a_worker_that_is_killed(
    tmp_path, postgresql
):
    first, second = (start_example(tmp_path / name, postgresql) for name in ("first", "second"))
    line = first.stdout.readline()
    assert "finished" in line, line + first.stdout.read()
    first.kill()  # in the middle of its next training
    finished = 1 + first.communicate()[0].count("finished")
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 0, output
    store = StudyStore(tmp_path / "second", "digits", postgresql)
    with store.reading() as study:
        states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 6
    ran = int(re.search(r"This process ran (\d+) of the trainings", output)[1])
    # The killed one may have stored a training that it had not yet printed.
    assert ran in (6 - finished, 5 - finished)


def test_a_server_that_is_lost_ends_the_search_with_what_was_lost_and_how_to_go_on(
    tmp_path, server
):
    lost = []

    def build(hp):
        x = hp.Float("x", 0, 1)

        def curve(epoch):
            if len(lost) == 2:
                server.stop()
            lost.append(x)
            return {"loss": x}

        return LandscapeModel(curve)

    search = RandomSearch(build, "loss", 4, tmp_path, storage=server.url, verbose=0)
    with pytest.raises(OSError, match=r"The search stopped.*connection") as error:
        search.run(epochs=1)
    assert f"Trial 2 finished with {{'x': {lost[2]}}}, loss" in str(error.value)
    assert "call run again" in str(error.value)
    server.start()
    table = search.run(epochs=1)
    assert [row["state"] for row in table] == ["finished"] * 4
    assert [row["hyperparameters"]["x"] for row in table][:3] == lost[:3]
    assert len(lost) == 5  # the third was trained again, the first two were not
