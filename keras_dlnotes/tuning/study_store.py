"""Where a study lives: a journal beside its curves, or a database named by a URL."""

import contextlib
import json
import os
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from keras_dlnotes.tuning.file_claims import POLL_SECONDS, FileClaims
from keras_dlnotes.tuning.postgres_claims import PostgresClaims

JOURNAL = "journal.log"
_SETTINGS = "settings"


class _JournalLock(JournalFileOpenLock):
    """A lock that the operating system lets go of when its process is killed.

    Optuna's own is a file that stays: whoever comes next waits 30 s until it counts as stale.
    """

    def __init__(self, path):
        super().__init__(str(path))
        self._lock = FileLock(f"{path}.lock", poll_interval=POLL_SECONDS)

    def acquire(self):
        self._lock.acquire()
        return True

    def release(self):
        self._lock.release()


class _JournalFile(JournalFileBackend):
    """Waits for the disk when a trial has ended, not seven times a trial.

    What was written outlives the process from the moment that it is written. Only a machine that
    loses its power loses what has not reached the disk, and that is then part of a trial that is
    run again, with the same values.
    """

    def __init__(self, path, lock):
        super().__init__(str(path), lock_obj=lock)
        self._path = path
        self._only_writer = lock

    def append_logs(self, logs):
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._only_writer.acquire()
        try:
            with open(self._path, "ab") as file:
                file.write(lines.encode())
                file.flush()
                if any("state" in log for log in logs):
                    os.fsync(file.fileno())
        finally:
            self._only_writer.release()


def open_journal(path):
    """Optuna's storage over the journal at `path`, repaired if a write was cut off.

    Raises:
        ValueError: If it is no journal.
    """
    lock = _JournalLock(path)
    lock.acquire()
    try:
        _cut_torn_line(path)
        return JournalStorage(_JournalFile(path, lock))
    except ValueError as error:
        raise ValueError(
            f"Expected the journal of a search in {str(path)!r}, one JSON object a line. Received "
            f"a line that is none ({error}). Restore the file from a copy, delete the broken line "
            "at the cost of what it says, or begin again in another directory."
        ) from error
    finally:
        lock.release()


def _cut_torn_line(path):
    # A power failure or a full disk can leave half a line, to which the next would be appended.
    with contextlib.suppress(FileNotFoundError), open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - 2**20)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)


class StudyStore:
    """Opens a study and the claims on its trials.

    Args:
        directory: folder of the study: journal, claims, curves and weights.
        name: the study's name.
        url: None for a journal in `directory`, or the URL of a database: `postgresql+psycopg://`
            for several machines, `sqlite:///` for one.

    Raises:
        ValueError: If the URL names a database without the locks that workers need.
    """

    def __init__(self, directory, name, url=None):
        if url is not None and not url.startswith(("postgresql", "sqlite")):
            raise ValueError(
                "Expected as storage None (a journal in `directory`), the URL of a PostgreSQL "
                "database such as 'postgresql+psycopg://user@host/database', or of an SQLite "
                f"file, 'sqlite:///study.db'. Received {url!r}."
            )
        self.directory = Path(directory)
        self._name = name
        self._url = url

    @contextlib.contextmanager
    def reading(self):
        """The study, to be read.

        Raises:
            FileNotFoundError: If there is none.
        """
        with contextlib.ExitStack() as stack:
            study = None
            if self._url is not None or (self.directory / JOURNAL).exists():
                storage = stack.enter_context(self._storage())
                with contextlib.suppress(KeyError):
                    study = optuna.load_study(study_name=self._name, storage=storage)
            if study is None:
                raise FileNotFoundError(
                    f"Expected a study {self._name!r} in {self._url or str(self.directory)!r}. "
                    "Found none. Run the search first, or pass the directory and the name that it "
                    "was run with."
                )
            yield study

    @contextlib.contextmanager
    def open(self, mode, settings, sampler, pruner):
        """The study, made where it is not there, and the claims on its trials.

        Raises:
            ValueError: If the study was made with other settings.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        claims: PostgresClaims | FileClaims
        if self._url and self._url.startswith("postgresql"):
            claims = PostgresClaims(self._url, self._name)
        else:
            claims = FileClaims(self.directory / "claims")
        arguments = {
            "study_name": self._name,
            "direction": {"min": "minimize", "max": "maximize"}[mode],
            "sampler": sampler,
            "pruner": pruner,
            "load_if_exists": True,
        }
        with contextlib.closing(claims), contextlib.ExitStack() as stack:
            with claims.opening():
                storage = stack.enter_context(self._storage())
                study = optuna.create_study(storage=storage, **arguments)
                found = study.user_attrs.get(_SETTINGS)
                if found not in (None, settings):
                    if _is_in_use(study, claims):
                        message = _settings_differ(self._name, self.directory, found, settings)
                        raise ValueError(message)
                    optuna.delete_study(study_name=self._name, storage=storage)
                    study = optuna.create_study(storage=storage, **arguments)
                study.set_user_attr(_SETTINGS, settings)
            yield study, claims

    @contextlib.contextmanager
    def _storage(self):
        if self._url is None:
            yield open_journal(self.directory / JOURNAL)
            return
        storage = RDBStorage(self._url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def settings_of(study):
    """The settings that a study was made with."""
    return study.user_attrs[_SETTINGS]


def _is_in_use(study, claims):
    """Whether a trial has ended or is being run: then what was asked for at first counts."""
    for trial in study.get_trials(deepcopy=False):
        release = claims.claim(trial.number)
        if release is not None:
            release()
        if release is None or trial.state != TrialState.RUNNING:
            return True
    return False


def _settings_differ(name, directory, found, settings):
    differing = [key for key in settings if found.get(key) != settings[key]]
    then = {key: found.get(key) for key in differing}
    now = {key: settings[key] for key in differing}
    return (
        f"Expected the settings that the study {name!r} in {str(directory)!r} was begun with, "
        f"{then}. Received {now}. Pass these again to resume it, or another `name` or `directory` "
        "for a new search."
    )
