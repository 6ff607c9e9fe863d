"""Runs a script once, or once in each of several processes that find each other at a port."""

import os
import pathlib
import socket
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parent.parent
_SECONDS = 400


def _free_port():
    """A port that is free, as are most likely the few after it."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return min(probe.getsockname()[1], 60_000)


def outputs_of(script, *arguments, processes=1):
    """Runs a script once in each of several processes; its outputs."""
    port = _free_port()
    places = [(str(rank), str(port)) for rank in range(processes)] if processes > 1 else []
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(_ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    started = [
        subprocess.Popen(
            [sys.executable, script, *map(str, arguments), *place],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for place in places or [()]
    ]
    try:
        return [process.communicate(timeout=_SECONDS)[0] for process in started]
    finally:
        for process in started:
            process.kill()
