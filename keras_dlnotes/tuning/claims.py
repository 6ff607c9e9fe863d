"""Which trials are being run, known to all processes of one machine or to all machines."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout

from keras_dlnotes.tuning.seeded_sampler import seed_of

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


_DATABASE_KEY = 1_802_401_398  # any number that nobody else is likely to lock
_OPENING = -1
_TURN = -2


class PostgresClaims:
    """Claims trials by PostgreSQL's advisory locks, which belong to a session of the server.

    The server lets go of a session's locks when its connection ends, so a trial that is marked as
    running and that nobody has claimed was interrupted. A machine that vanishes without closing
    its connection is noticed through TCP's keep-alive messages, within about two minutes.

    The connection must be to the server itself, or through a pool that keeps sessions apart.

    Args:
        url: of the database.
        study_name: the study whose trials are claimed.
    """

    def __init__(self, url: sqlalchemy.URL, study_name: str) -> None:
        # Two studies in one database must not lock each other's trials.
        self._study_key = seed_of(study_name) - 2**31
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for setting, value in (("idle", 30), ("interval", 10), ("count", 9)):
            self._run(f"SET tcp_keepalives_{setting} = {value}")

    def opening(self) -> AbstractContextManager[None]:
        """One worker at a time makes the tables and the study."""
        return self._locked(_DATABASE_KEY, _OPENING)

    def turn(self) -> AbstractContextManager[None]:
        """One worker at a time looks for its next trial."""
        return self._locked(self._study_key, _TURN)

    def claim(self, number: int) -> Callable[[], Any] | None:
        """A function that gives trial `number` back, or None if another worker has it."""
        key = f"({self._study_key}, {int(number)})"
        if not self._run(f"SELECT pg_try_advisory_lock{key}").scalar():
            return None
        return lambda: self._run(f"SELECT pg_advisory_unlock{key}")

    def close(self) -> None:
        """Ends the session, and with it every claim."""
        self._connection.close()

    @contextlib.contextmanager
    def _locked(self, *key: int) -> Iterator[None]:
        self._run(f"SELECT pg_advisory_lock{key}")
        try:
            yield
        finally:
            self._run(f"SELECT pg_advisory_unlock{key}")

    def _run(self, statement: str) -> Any:
        return self._connection.exec_driver_sql(statement)
