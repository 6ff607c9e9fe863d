"""Makes event files smaller, unless somebody writes them: of the recorded steps some stay."""

import contextlib
import os
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import google_crc32c
import numpy as np
from tensorboard.summary.writer.record_writer import RecordWriter

from keras_dlnotes_layers.event_files import events_of
from keras_dlnotes_layers.format import PLUGIN_NAME, SECTIONS, TAG_PREFIX

if sys.platform != "win32":
    import fcntl

# How the tags begin whose old steps may go. All else (metrics of epochs, texts, findings, layouts,
# hyperparameters) stays.
_MAY_GO = (*SECTIONS, *(TAG_PREFIX + section for section in SECTIONS), "metrics/batch_")


def mark_as_in_use(file: Any) -> None:
    """Marks an open file, where the system can; readers are not hindered.

    Args:
        file: a file object.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a file system without locks
            return


def is_in_use(path: str | os.PathLike[str]) -> bool:
    """Whether a file is marked by somebody, also where that cannot be found out."""
    if sys.platform == "win32":
        return True
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


class FastRecordWriter(RecordWriter):
    """TensorBoard's record format with the checksum in C.

    TensorBoard's own is a Python loop over the bytes: 1 ms for the scalars of one step.
    """

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._file = file

    def write(self, data: bytes) -> None:
        """Appends one record."""
        header = struct.pack("<Q", len(data))
        self._file.write(header + _masked_crc(header) + data + _masked_crc(data))


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def thinned_files(paths: Sequence[str], size: float) -> list[str]:
    """Writes a thinner copy of each event file of a run; the files themselves stay.

    The spacing of the steps is doubled until what is left fits, the first and the last step always
    among it. Histograms, which are recorded at steps of their own, are thinned on their own.

    The copies have other names, behind those of the files in alphabetical order: TensorBoard's
    server keeps a file open, and would never see one that takes the old one's place.

    Args:
        paths: event files, in the order of their steps.
        size: bytes that all of them should take at most.

    Returns:
        List of the copies' paths.

    Raises:
        OSError: if a copy cannot be written; there are no copies then.
    """
    kept = _steps_to_keep(paths, size)
    unfinished = [_renamed(path, "tfevents", "unfinished") for path in paths]
    copies = [next_name(path) for path in paths]
    try:
        for path, events in zip(unfinished, _sorted_events(paths), strict=True):
            with open(path, "wb") as file:
                records = FastRecordWriter(file)
                for event, kind, must_stay in events:
                    if must_stay or kind is None or event.step in kept[kind]:
                        records.write(event.SerializeToString())
                records.flush()
                os.fsync(file.fileno())
        for path, copy in zip(unfinished, copies, strict=True):
            os.replace(path, copy)
    except BaseException:
        remove(unfinished + copies)
        raise
    return copies


def remove(paths: Sequence[str]) -> None:
    """Removes files, those that are not there too."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.remove(path)


def replaced_files(paths: Sequence[str]) -> list[str]:
    """Those beside which a thinner copy lies: the process ended before they were removed."""
    return [path for path in paths if next_name(path) in paths]


def has_recorded_steps(path: str) -> bool:
    """Whether an event file can be read and holds anything that may be thinned."""
    try:
        # To its end, where damage may be.
        return bool({_kind(event) for event in events_of(path)} - {None})
    except Exception:  # it is damaged, or was removed
        return False


def total_size(paths: Sequence[str]) -> int:
    """Bytes that files take together; of one that was removed meanwhile, none."""
    size = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            size += os.path.getsize(path)
    return size


def _steps_to_keep(paths: Sequence[str], size: float) -> dict[str, set[int]]:
    """Dict from kind to the set of steps that stay."""
    fixed = 0
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for events in _sorted_events(paths):
        for event, kind, must_stay in events:
            if kind:
                sizes[kind][event.step] += event.ByteSize() * (not must_stay)
            fixed += event.ByteSize() if must_stay else 0
    # Never nothing: what must stay may be large.
    room = max(size - fixed, size // 4)
    steps = {kind: sorted(counted) for kind, counted in sizes.items()}
    spacing = {k: int(np.diff(s).min()) if len(s) > 1 else 1 for k, s in steps.items()}
    while True:
        kept = {kind: _spaced(several, spacing[kind]) for kind, several in steps.items()}
        taken = {kind: sum(sizes[kind][step] for step in kept[kind]) for kind in kept}
        left = [kind for kind in kept if len(kept[kind]) > 2]
        if sum(taken.values()) <= room or not left:
            return kept
        # Of what takes the most: seldom, large histograms must not push out the layers' numbers.
        spacing[max(left, key=taken.__getitem__)] *= 2


def _spaced(steps: Sequence[int], spacing: int) -> set[int]:
    """The first of each `spacing` steps, so that each doubling keeps some of those before it."""
    first: dict[int, int] = {}
    for step in steps:
        first.setdefault((step - steps[0]) // spacing, step)
    return {*first.values(), steps[-1]}


def _sorted_events(paths: Sequence[str]) -> Iterator[Iterator[tuple[Any, str | None, bool]]]:
    """For each file an iterator over `(event, kind, whether it must stay)`."""
    named: set[str] = set()  # layer statistics whose rows an earlier event has named

    def events(path: str) -> Iterator[tuple[Any, str | None, bool]]:
        for event in events_of(path):
            kind = _kind(event)
            names_rows = {
                value.tag
                for value in event.summary.value
                if value.metadata.plugin_data.plugin_name == PLUGIN_NAME
            } - named
            named.update(names_rows)
            yield event, kind, kind is None or bool(names_rows)

    return (events(path) for path in paths)


def _kind(event: Any) -> str | None:
    """What is thinned together: `"step"` or `"histogram"`; None of what stays."""
    if not event.summary.value or not event.summary.value[0].tag.startswith(_MAY_GO):
        return None
    return "histogram" if event.summary.value[0].tag.endswith("/histogram") else "step"


def next_name(path: str) -> str:
    """`<name>.thinned_0002.<suffix>` of `<name>.thinned_0001.<suffix>` or of `<name>.<suffix>`."""
    folder, name = os.path.split(path)
    stem, suffix = name.rsplit(".", 1)
    stem, _, number = stem.partition(".thinned_")
    return os.path.join(folder, f"{stem}.thinned_{int(number or 0) + 1:04d}.{suffix}")


def _renamed(path: str, old: str, new: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, name.replace(old, new))
