"""Writes TensorBoard event files from a thread of its own, without TensorFlow."""

import atexit
import contextlib
import itertools
import math
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event

from keras_dlnotes.numerics.number_arguments import is_real_number
from keras_dlnotes.summaries.event_protos import (
    ScalarsTemplate,
    custom_scalars_value,
    histogram_value,
    hparams_values,
    text_value,
)
from keras_dlnotes.summaries.thinning import (
    FastRecordWriter,
    has_recorded_steps,
    is_in_use,
    mark_as_in_use,
    remove,
    replaced_files,
    thinned_files,
    total_size,
)
from keras_dlnotes_layers.format import findings_value, layer_value

# What the name of each file ends in.
FILE_SUFFIX = ".keras_dlnotes"

_CLOSE = object()


class EventFileWriter:
    """Writes scalars, histograms, texts and chart layouts to one TensorBoard event file.

    What is added is encoded and written by a thread; adding costs the caller a few microseconds.
    A write that fails (a full disk, a file that was deleted) never reaches the caller: what
    follows is dropped, and `failure` holds the exception. A copy, made by `copy.deepcopy` or
    `pickle`, writes to a file of its own in the same folder.

    Where the event files of the folder take more than `max_megabytes`, recorded steps are removed
    evenly, until half of it is free again; the first and the last one stay. What is recorded from
    then on is whole until the next time. Metrics of epochs, texts, findings and layouts stay.
    Files in the folder that another writer has open, or that hold no recorded steps, are left
    alone and do not count.

    Args:
        log_dir: folder of the run; made where it is not there.
        flush_seconds: a reader sees what was added at most this many seconds later.
        max_megabytes: at most so many million bytes; None for no limit.

    Raises:
        OSError: if the folder cannot be made or no file can be opened in it.
        ValueError: if `max_megabytes` is not a positive number or None.
    """

    _file_numbers = itertools.count()

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        flush_seconds: float = 5.0,
        max_megabytes: float | None = None,
    ) -> None:
        self.max_megabytes = checked_megabytes(max_megabytes)
        log_dir = os.fspath(log_dir)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}."
            f"{os.getpid()}.{next(self._file_numbers):04d}{FILE_SUFFIX}"
        )
        try:
            os.makedirs(log_dir, exist_ok=True)
            self.path = os.path.join(log_dir, name)
            file = open(self.path, "wb")  # noqa: SIM115, closed by the thread
        except OSError as error:
            raise OSError(
                error.errno,
                f"`log_dir` must be a folder that can be written to. Received {log_dir!r}, where "
                f"no event file can be made ({error.strerror}). Pass another `log_dir`",
            ) from error
        self.failure: Exception | None = None
        self._closed = False
        self.seconds = 0.0  # spent encoding and writing, in the thread
        self._flush_seconds = flush_seconds
        self._write_to(file)
        self._limit = math.inf if max_megabytes is None else 1e6 * max_megabytes
        self._size = total_size(self._other_files())
        self._next_thinning = self._limit
        self._templates: dict[tuple[str, ...], ScalarsTemplate] = {}
        self._layer_tags: set[str] = set()  # those whose rows are in the file
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="event-file-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # what a crash left in the queue is what one wants to see
        self._add(lambda: Event(wall_time=time.time(), file_version="brain.Event:2"))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (os.path.dirname(self.path), self._flush_seconds, self.max_megabytes)

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """Adds one number under each tag.

        Args:
            step: number of the train step.
            tags: tuple of tags; the same tuple each time is encoded fastest.
            numbers: sequence of floats, one a tag.
            wall_time: seconds since 1970; now by default.
        """
        wall_time = time.time() if wall_time is None else wall_time

        def encode() -> Any:
            if tags not in self._templates:
                self._templates[tags] = ScalarsTemplate(tags)
            return self._templates[tags].fill(step, wall_time, numbers)

        self._add(encode)

    def add_histogram(
        self,
        step: int,
        tag: str,
        low: float,
        high: float,
        counts: Any,
        wall_time: float | None = None,
    ) -> None:
        """Adds a histogram of equal bins between `low` and `high`."""
        self._add_value(step, wall_time, lambda: histogram_value(tag, low, high, counts))

    def add_layers(self, step: int, parts: Iterable[Any], wall_time: float | None = None) -> None:
        """Adds statistics of all layers, each as one tensor, for the layers tab.

        Args:
            step: number of the train step.
            parts: list of `(tag, rows, values)`; see `keras_dlnotes_layers.format`.
            wall_time: seconds since 1970; now by default.
        """
        wall_time = time.time() if wall_time is None else wall_time

        def encode() -> Any:
            event = Event(step=step, wall_time=wall_time)
            for tag, rows, values in parts:
                known = tag in self._layer_tags
                self._layer_tags.add(tag)
                event.summary.value.append(layer_value(tag, values, None if known else rows))
            return event

        self._add(encode)

    def add_text(self, step: int, tag: str, text: str, wall_time: float | None = None) -> None:
        """Adds a text in Markdown."""
        self._add_value(step, wall_time, lambda: text_value(tag, text))

    def add_findings(self, step: int, findings: Iterable[dict[str, Any]]) -> None:
        """Adds what a diagnosis found, as `Finding.to_dict` makes it, for the layers tab."""
        self._add_value(step, None, lambda: findings_value(findings))

    def add_custom_scalars(self, categories: dict[str, dict[str, list[str]]]) -> None:
        """Sets the layout of the custom-scalars dashboard; see `custom_scalars_value`."""
        self._add_value(0, None, lambda: custom_scalars_value(categories))

    def add_hparams(
        self, hparams: dict[str, Any], group: str, succeeded: bool, start: float, end: float
    ) -> None:
        """Adds this run to the hyperparameters dashboard; see `hparams_values`."""
        for value in hparams_values(hparams, group, succeeded, start, end):
            self._add_value(0, None, lambda value=value: value)

    def flush(self) -> None:
        """Waits until all that was added is in the file."""
        if not self._thread.is_alive():
            return
        done = threading.Event()
        self._queue.put(done)
        done.wait()

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._closed = True
        if self._thread.is_alive():
            self._queue.put(_CLOSE)
            self._thread.join()
        atexit.unregister(self.close)

    def _add_value(self, step: int, wall_time: float | None, make: Callable[..., Any]) -> None:
        wall_time = time.time() if wall_time is None else wall_time

        def encode() -> Any:
            event = Event(step=step, wall_time=wall_time)
            event.summary.value.add().CopyFrom(make())
            return event

        self._add(encode)

    def _add(self, encode: Callable[[], Any]) -> None:
        if self._closed and self.failure is None:
            self.failure = ValueError(f"the event file {self.path!r} is closed")
        if self.failure is None:
            self._queue.put(encode)

    def _run(self) -> None:
        next_flush = 0.0
        while True:
            try:
                item = self._queue.get(timeout=self._flush_seconds)
            except queue.Empty:
                item = None
            start = time.perf_counter()
            self._attempt(item, flush=start >= next_flush or item is None)
            if start >= next_flush:
                next_flush = start + self._flush_seconds
            self.seconds += time.perf_counter() - start
            if isinstance(item, threading.Event):
                item.set()
            if item is _CLOSE:
                with contextlib.suppress(Exception):  # a full disk again
                    self._records.close()
                return

    def _attempt(self, item: Any, flush: bool) -> None:
        try:
            if self.failure is None and callable(item):
                record = item()
                record = record if isinstance(record, bytes) else record.SerializeToString()
                self._records.write(record)
                self._size += len(record) + 16
                if self._size > self._next_thinning:
                    self._thin_out()
            if flush or item is _CLOSE or isinstance(item, threading.Event):
                self._records.flush()
                if self.failure is None and not os.fstat(self._file.fileno()).st_nlink:
                    # The system goes on writing to a file that nobody can open any more.
                    raise FileNotFoundError(f"the event file {self.path!r} was deleted")
        except Exception as error:  # a monitor must never end a training run
            if self.failure is None:
                self.failure = error

    def _write_to(self, file: Any) -> None:
        mark_as_in_use(file)
        self._file = file
        self._records = FastRecordWriter(file)

    def _thin_out(self) -> None:
        """Puts thinner copies in the place of the files; if that fails, they stay as they are."""
        self._records.flush()
        files = [*self._closed_files(), self.path]
        self._size = total_size(files)
        if self._size <= self._limit:
            return
        copies: list[Any] = []
        try:
            copies = thinned_files(files, self._limit // 2)
            file = open(copies[-1], "ab")  # noqa: SIM115, closed by the thread
        except Exception:  # no room for the copies, or a file that cannot be read
            remove(copies)
        else:
            self._records.close()
            self.path = copies[-1]
            self._write_to(file)
            remove(files)
            files = copies
        self._size = total_size(files)
        self._next_thinning = max(self._limit, self._size + self._limit // 4)

    def _other_files(self) -> list[str]:
        folder = os.path.dirname(self.path)
        # Without "tfevents" it is a copy over which a process was killed.
        names = [name for name in sorted(os.listdir(folder)) if ".tfevents." in name]
        paths = [os.path.join(folder, name) for name in names if name.endswith(FILE_SUFFIX)]
        return [path for path in paths if path != self.path]

    def _closed_files(self) -> list[str]:
        """The other files of the run; none if one of them is still being written.

        A reader takes the files in order. After a file that was made anew it would take a later
        one, which it has read, for older.
        """
        found = [path for path in self._other_files() if has_recorded_steps(path)]
        if any(is_in_use(path) for path in found):
            return []
        left = replaced_files(found)
        remove(left)
        return [path for path in found if path not in left]


def checked_megabytes(max_megabytes: Any) -> float | None:
    """The argument, checked."""
    if max_megabytes is not None and not (
        is_real_number(max_megabytes) and 0 < max_megabytes < math.inf
    ):
        raise ValueError(
            "`max_megabytes` must be a number of megabytes above 0, or None for no limit. "
            f"Received: {max_megabytes!r}."
        )
    return max_megabytes
