"""Several processes share the trials of one search, over a journal and over PostgreSQL."""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import keras
import pytest

from tests.tuning.test_resuming import lines, start_worker
from tests.tuning.worker import search_of

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="starts processes that run on JAX"
)


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


@pytest.fixture
def postgresql(tmp_path_factory):
    """The URL of an empty database on a server of its own."""
    pytest.importorskip("psycopg", reason="psycopg, the driver for PostgreSQL, is not installed")
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    user = getpass.getuser()
    if user == "root":  # the server refuses to run as root
        user = "postgres"
        if user not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    data = Path("/tmp") / f"keras_dlnotes_postgresql_{os.getpid()}"
    data.mkdir()
    shutil.chown(data, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program, *arguments):
        command = [str(folder / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=data)

    try:
        run("initdb", "--auth=trust", "--username=tuner", "--no-sync")
        options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", str(data / "log"), "-o", options, "start")
        yield f"postgresql+psycopg://tuner@127.0.0.1:{port}/postgres"
        run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(data)


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
