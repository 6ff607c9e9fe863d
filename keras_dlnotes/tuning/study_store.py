"""Where a study lives: its name, a journal beside its curves, or a database named by a URL."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from keras_dlnotes.tuning.claims import FileClaims, PostgresClaims
from keras_dlnotes.tuning.database_url import database_url
from keras_dlnotes.tuning.journal import open_journal
from keras_dlnotes.tuning.weights_folder import has_weights

JOURNAL = "journal.log"
_SETTINGS = "settings"
# Of a name.
_LENGTH = 255  # bytes, in most file systems
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?")


def check_name(name: str, directory: str | os.PathLike[str]) -> None:
    """Refuses what is no name of one folder inside `directory`, on any system.

    A folder that is there already was made by a search on this system, and may be gone on with.

    Raises:
        ValueError: If the name is not fit.
    """
    because = _unfit_anywhere(name)
    if because is None and not (Path(directory) / name).is_dir():
        because = _unfit_on_windows(name)
    if because is not None:
        raise ValueError(
            "Expected as name the name of one folder, which is made in `directory`, such as "
            f"'first_search'. Received {name!r}, {because}."
        )


def _unfit_anywhere(name: str) -> str | None:
    if not isinstance(name, str):
        return "which is no text"
    if not name.strip() or name in (".", ".."):
        return "which names no folder of its own"
    if "/" in name or "\\" in name:
        return "which is a path; pass the folders above as `directory`"
    if not name.isprintable():
        return "which has characters that cannot be printed"
    if len(name.encode()) > _LENGTH:
        return f"which is longer than {_LENGTH} bytes"
    return None


def _unfit_on_windows(name: str) -> str | None:
    if found := set('<>:"|?*') & set(name):
        return f"which has {sorted(found)}, and Windows has no such names"
    if name[-1] in ". " or name[0] == " ":
        return "which begins with a space or ends with a space or a dot; Windows leaves them out"
    if _DEVICES.fullmatch(name):
        return "which is a device on Windows"
    return None


class StudyStore:
    """Opens a study and the claims on its trials.

    Args:
        directory: folder of the study: journal, claims, curves and weights.
        name: the study's name.
        url: None for a journal in `directory`, or the URL of a database: `postgresql://` for
            several machines, `sqlite:///` for one.

    Raises:
        ValueError: If the URL names a database without the locks that workers need.
        ImportError: If the database's driver is not installed.
    """

    def __init__(
        self, directory: str | os.PathLike[str], name: str, url: str | None = None
    ) -> None:
        self.directory = Path(directory)
        self._name = name
        self._url = None if url is None else database_url(url)

    @contextlib.contextmanager
    def reading(self) -> Iterator[optuna.Study]:
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
                    f"Expected a study {self._name!r} in {str(self._url or self.directory)!r}. "
                    "Found none. Run the search first, or pass the directory and the name that it "
                    "was run with."
                )
            yield study

    @contextlib.contextmanager
    def open(
        self, mode: str, settings: dict[str, Any], sampler: BaseSampler, pruner: BasePruner | None
    ) -> Iterator[tuple[optuna.Study, PostgresClaims | FileClaims]]:
        """The study, made where it is not there, and the claims on its trials.

        Raises:
            ValueError: If the study was made with other settings, or its trials are gone and
                their weights are not.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        claims: PostgresClaims | FileClaims
        if self._url is not None and self._url.get_backend_name() == "postgresql":
            claims = PostgresClaims(self._url, self._name)
        else:
            claims = FileClaims(self.directory / "claims")
        arguments: dict[str, Any] = {
            "study_name": self._name,
            "direction": {"min": "minimize", "max": "maximize"}[mode],
            "sampler": sampler,
            "pruner": pruner,
            "load_if_exists": True,
        }
        with contextlib.closing(claims), contextlib.ExitStack() as stack:
            with claims.opening():
                storage = stack.enter_context(self._storage())
                if self._name not in optuna.get_all_study_names(storage):
                    self._check_nothing_is_lost()
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

    def _check_nothing_is_lost(self) -> None:
        """A search that begins anew would remove the weights of an earlier one."""
        weights = [folder for folder in self.directory.glob("trial_*") if has_weights(folder)]
        if weights:
            raise ValueError(
                f"Expected in {str(self._url or self.directory / JOURNAL)!r} the study "
                f"{self._name!r}, whose weights are in {str(weights[0])!r}. Found none. Restore it "
                "from a copy, move the folder away, or begin in another directory."
            )

    @contextlib.contextmanager
    def _storage(self) -> Iterator[Any]:
        if self._url is None:
            yield open_journal(self.directory / JOURNAL)
            return
        storage = RDBStorage(self._url.render_as_string(hide_password=False))
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


def settings_of(study: optuna.Study) -> dict[str, Any]:
    """The settings that a study was made with."""
    return study.user_attrs[_SETTINGS]


def _is_in_use(study: optuna.Study, claims: PostgresClaims | FileClaims) -> bool:
    """Whether a trial has ended or is being run: then what was asked for at first counts."""
    for trial in study.get_trials(deepcopy=False):
        release = claims.claim(trial.number)
        if release is not None:
            release()
        if release is None or trial.state != TrialState.RUNNING:
            return True
    return False


def _settings_differ(
    name: str, directory: Path, found: dict[str, Any], settings: dict[str, Any]
) -> str:
    differing = [key for key in settings if found.get(key) != settings[key]]
    then = {key: found.get(key) for key in differing}
    now = {key: settings[key] for key in differing}
    return (
        f"Expected the settings that the study {name!r} in {str(directory)!r} was begun with, "
        f"{then}. Received {now}. Pass these again to resume it, or another `name` or `directory` "
        "for a new search."
    )
