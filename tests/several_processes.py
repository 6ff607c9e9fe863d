"""Runs a script once, or once in each of several processes that find each other at a port."""

import functools
import os
import pathlib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

_ROOT = pathlib.Path(__file__).parent.parent
_SECONDS = 600


def _free_port():
    """A port that is free, as are most likely the few after it."""
    port = 65_536
    while port > 65_000:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
    return port


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
        # Side by side: one that writes much would wait for its reader, and others for it.
        with ThreadPoolExecutor(len(started)) as readers:
            wait = functools.partial(subprocess.Popen.communicate, timeout=_SECONDS)
            return [output for output, _ in readers.map(wait, started)]
    finally:
        for process in started:
            process.kill()
