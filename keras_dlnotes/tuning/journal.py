"""The file in which a study is stored: what is appended is whole or not there, damage is repaired.

Optuna 5.0's `JournalFileBackend` reads and writes the same lines, and could stand here but for two
things: it appends to a line that was cut off, after which the study cannot be opened any more, and
it waits for the disk at every line instead of once a trial.
"""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from keras_dlnotes.tuning.claims import POLL_SECONDS

_BEGIN = b'{"op_code"'


class JournalFile(BaseJournalBackend):
    """Appends and reads the records of a study, one JSON object a line.

    A line that does not end was cut off when its process was killed or the disk was full. Nobody
    reads it, and the next who appends removes it. Of what was appended, all outlives the process;
    only a machine that loses its power loses what has not reached the disk, and that is part of a
    trial that is run again, with the same values.

    Args:
        path: of the file.
        lock: `FileLock` that a process holds while it writes.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path = path
        self._lock = lock
        self._lines: list[bytes] = []  # all that were read, to be written anew if the file is gone
        self._end = 0  # of what was read
        self._number = 0  # of the line that was given out last

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from a number on."""
        with contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            for line in io.BytesIO(_split(self._unread(file))[0]):
                self._lines.append(line)
                self._end += len(line)
        for number in range(log_number_from, len(self._lines)):
            self._number = number
            try:
                record = json.loads(self._lines[number])
            except (ValueError, RecursionError) as error:
                raise self._not_understood(error) from error
            yield record

    def append_logs(self, logs: Iterable[dict[str, Any]]) -> None:
        """Appends records, or raises and leaves no part of a record."""
        records = list(logs)
        lines = b"".join(json.dumps(r, separators=(",", ":")).encode() + b"\n" for r in records)
        with self._lock:
            if not self._path.exists():
                self._write_anew()
            with open(self._path, "r+b", buffering=0) as file:
                self._cut_torn_line(file)
                end = file.seek(0, os.SEEK_END)
                try:
                    written = 0
                    while written < len(lines):  # less than asked for may be written
                        written += os.write(file.fileno(), lines[written:])
                except BaseException:
                    # What is whole may have been read by another process; what is not, was not.
                    with contextlib.suppress(OSError):
                        written = file.seek(0, os.SEEK_END) - end
                        file.truncate(end + lines.rfind(b"\n", 0, written) + 1)
                    raise
                if any("state" in record for record in records):
                    try:
                        os.fsync(file.fileno())
                    except OSError:
                        # The caller is told that it is not stored, so it must not be there.
                        with contextlib.suppress(OSError):
                            file.truncate(end)
                        raise

    def mend_end(self) -> None:
        """Completes a last line that lacks nothing but its end, and removes one that lacks more."""
        with open(self._path, "r+b") as file:
            if _is_record(_split(self._unread(file))[1]):
                file.write(b"\n")
            else:
                self._cut_torn_line(file)

    def mend_last_read(self, error: Exception) -> None:
        """Removes the line that could not be understood, if no ended trial is lost with it.

        Raises:
            ValueError: If it cannot be removed.
        """
        line = self._lines[self._number]
        before = b"".join(self._lines[: self._number])
        after = self._path.read_bytes()[len(before + line) :]
        glued = line.rfind(_BEGIN)
        if not line.strip():
            dropped, kept = line, before + after
        elif glued > 0 and _is_record(line[glued:]):
            # Half a line and the next one, written by a process that did not see the first.
            dropped, kept = line[:glued], before + line[glued:] + after
        elif before and b'"state":' not in after and not _is_record(line):
            dropped, kept = line + after, before
        else:
            raise self._not_understood(error) from error
        beside = self._path.with_name(f"{self._path.name}.mended")
        try:
            beside.write_bytes(kept)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        report = self._keep(dropped)
        os.replace(beside, self._path)
        self._warn(f"line {self._number + 1} was no record of a search. {report}")

    def _not_understood(self, error: BaseException) -> ValueError:
        reason = error.__cause__ or error
        return ValueError(
            f"Expected the journal of a search in {str(self._path)!r}, one record a line. Received "
            f"as line {self._number + 1} {_shown(self._lines[self._number])}, which Optuna "
            f"{optuna.__version__} does not understand ({type(reason).__name__}: {reason}). "
            "Restore the file from a copy, use the version of Optuna that wrote it, or begin again "
            "in another directory."
        )

    def _unread(self, file: BinaryIO) -> bytes:
        """What lies behind the lines that were read."""
        last = self._lines[-1] if self._lines else b""
        file.seek(self._end - len(last))
        found = file.read()
        if not found.startswith(last):
            raise OSError(
                f"Expected that the journal {str(self._path)!r} only grows while a search runs. "
                "It was replaced or made shorter. Call run again with the same arguments: it goes "
                "on from what the journal says now."
            )
        return found[len(last) :]

    def _cut_torn_line(self, file: BinaryIO) -> None:
        whole, torn = _split(self._unread(file))
        start = self._end + len(whole)
        if not torn:
            return
        if start == 0 and not _BEGIN.startswith(torn[: len(_BEGIN)].rstrip(b"\0")):
            raise ValueError(
                f"Expected the journal of a search in {str(self._path)!r}. Received a file that "
                f"begins with {_shown(torn)}. Pass another directory or name."
            )
        # Half a record is what a killed process leaves: nobody has been told that it is stored.
        report = None if torn.startswith(_BEGIN[:1]) and b"\0" not in torn else self._keep(torn)
        file.truncate(start)
        if report:
            self._warn(f"its end was no record of a search. {report}")

    def _keep(self, dropped: bytes) -> str:
        """Copies what is to be removed, and says what it is."""
        copy = self._path.with_name(f"{self._path.name}.dropped")
        try:
            with open(copy, "ab") as file:
                file.write(dropped.rstrip(b"\n") + b"\n")
            kept = f"A copy is in {str(copy)!r}."
        except OSError as error:
            kept = f"No copy could be made ({error.strerror})."
        return f"Removed: {_shown(dropped)}. {kept}"

    def _warn(self, what: str) -> None:
        warnings.warn(
            f"The journal {str(self._path)!r} was repaired: {what} A trial whose end was removed "
            "is run again, with the same values.",
            stacklevel=2,
        )

    def _write_anew(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(self._lines)
        self._path.write_bytes(content)
        self._end = len(content)
        if content:
            warnings.warn(
                f"The journal {str(self._path)!r} was deleted while the search ran. It was written "
                "anew with all trials; curves and weights that were deleted with it are lost.",
                stacklevel=2,
            )


def open_journal(path: Path) -> JournalStorage:
    """Optuna's storage over the journal at `path`, made or repaired where needed.

    Raises:
        ValueError: If it is no journal, or damaged so that the ends of trials would be lost.
    """
    lock = FileLock(f"{path}.lock", poll_interval=POLL_SECONDS)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock)
            if not path.exists():
                path.touch()
            JournalFile(path, lock).mend_end()
        except OSError:
            # A disk that is full or read-only: what is there can be read all the same.
            if not path.exists():
                raise
        while True:
            journal = JournalFile(path, lock)
            try:
                return JournalStorage(journal)
            except OSError:
                raise
            except Exception as error:  # whatever Optuna raises for a record that is none
                journal.mend_last_read(error)


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Whole lines, and the begin of one that was cut off."""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"op_code", "worker_id"} <= set(record)


def _shown(content: bytes) -> str:
    text = repr(content.decode(errors="backslashreplace"))
    return text if len(text) <= 80 else f"{text[:80]}… ({len(content)} bytes)"
