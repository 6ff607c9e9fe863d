"""Processes that can be killed at a chosen moment, disks that can be filled, what is counted."""

import collections
import contextlib
import errno
import json
import os
import random
import resource
import signal
import subprocess
import time
import traceback
import warnings
from pathlib import Path

DRAW = random.Random(0)
TIMEOUT = 120.0  # seconds after which a process is killed, and its try has failed


def start(function, *arguments):
    """Runs a function in a forked process; its number, and the file that will have its result."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / f"result_{time.monotonic_ns()}.json"
    process = os.fork()
    if process:
        return process, result
    status = 1
    try:
        with open(folder / "output.txt", "a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                found = function(*arguments)
                status = 0
            except BaseException as error:
                found = {"error": f"{type(error).__name__}: {error}"}
                traceback.print_exc()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            result.with_suffix(".part").write_text(json.dumps(found))
            os.replace(result.with_suffix(".part"), result)
    finally:
        os._exit(status)


def finish(started, when=None, send=signal.SIGKILL):
    """Waits for a process, sends it a signal once `when()` holds; its result, None if killed."""
    process, result = started
    deadline = time.monotonic() + TIMEOUT
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if when is not None and when():
            os.kill(process, send)
            when = None
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return {"error": f"no end after {TIMEOUT:.0f} s"}
        time.sleep(0.001)
    return json.loads(result.read_text()) if result.exists() else None


def run(function, *arguments, when=None, send=signal.SIGKILL):
    """`start` and `finish`."""
    return finish(start(function, *arguments), when, send)


def lines(path):
    """The whole lines of a file that another process appends to."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def later(path, count, seconds):
    """A function that says whether so many seconds have passed since a file has so many lines."""
    since = []

    def has_come():
        if not since and len(lines(path)) >= count:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds

    return has_come


class SmallDisk:
    """A file system of a few hundred KB; where none can be mounted, files of a limited size.

    Args:
        folder: where to mount it.
        kilobytes: its size.
    """

    def __init__(self, folder, kilobytes=400):
        self.folder = Path(folder)
        self._kilobytes = kilobytes
        self.is_mounted = False

    def __enter__(self):
        """Mounts it."""
        self.folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._kilobytes}k", "tmpfs"]
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*command, str(self.folder)], check=True, capture_output=True)
            self.is_mounted = True
        return self

    def __exit__(self, *error):
        """Takes it away again."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def fill(self, left=0):
        """Leaves so many bytes; without a mount no file of this process can grow any more."""
        if not self.is_mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (left + 1, resource.RLIM_INFINITY))
            return
        with open(self.folder / "filler", "ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while self._free() > left:
                        file.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self):
        """Gives the room back."""
        (self.folder / "filler").unlink(missing_ok=True)

    def _free(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_bsize


@contextlib.contextmanager
def warnings_of_ours():
    """A list that gets the texts of the warnings which this package gives."""
    texts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def event_steps(folder):
    """The steps in the event files of a folder; raises where one is not readable."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    steps = set()
    for path in Path(folder).glob("events.*"):
        for event in EventFileLoader(str(path)).Load():
            steps |= {event.step for value in event.summary.value if value.tag}
    return sorted(steps)


def last_result(folder):
    """What the last process that ended in a folder has returned."""
    return json.loads(max(folder.glob("result_*.json")).read_text())


class Row:
    """One line of the table: what was injected, how often, and how often it went which way.

    Args:
        fault: what was injected.
        what: into what.
        is_ours: whether what should not have happened is printed in bold.
    """

    def __init__(self, fault, what, is_ours):
        self.fault = fault
        self.what = what
        self.tries = 0
        self._mark = "**" if is_ours else ""
        self._good: collections.Counter = collections.Counter()
        self._bad: collections.Counter = collections.Counter()

    def add(self, is_good, what_happened):
        """Counts a try."""
        self.tries += 1
        (self._good if is_good else self._bad)[what_happened] += 1

    def __str__(self):
        """The line in Markdown."""
        mark = self._mark
        parts = [f"{count}: {text}" for text, count in self._good.most_common()]
        parts += [f"{mark}{count}: {text}{mark}" for text, count in self._bad.most_common(5)]
        result = "; ".join(parts).replace("|", "\\|").replace("\n", " ")
        return f"| {self.fault} | {self.what} | {self.tries} | {result} |"
