"""Which trials are being run, known to all processes of one machine through locked files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

POLL_SECONDS = 0.005


class FileClaims:
    """Claims trials by locking one file each.

    The operating system lets go of a lock when its process ends, however it ends. So a trial that
    is marked as running and that nobody has claimed was interrupted, and this is known at once:
    there is no heartbeat to wait for.

    Args:
        directory: folder of the lock files; made where it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._turn = FileLock(self._directory / "turn.lock", poll_interval=POLL_SECONDS)

    def opening(self) -> FileLock:
        """One worker at a time makes the study."""
        return self._turn

    def turn(self) -> FileLock:
        """One worker at a time looks for its next trial."""
        return self._turn

    def claim(self, number: int) -> Callable[[], Any] | None:
        """A function that gives trial `number` back, or None if another worker has it."""
        lock = FileLock(self._directory / f"trial_{number:04d}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock.release

    def close(self) -> None:
        """Does nothing: there is no connection."""
