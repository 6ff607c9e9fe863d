"""Writes TensorBoard event files from a thread of its own, without TensorFlow."""

import atexit
import contextlib
import itertools
import os
import queue
import socket
import struct
import threading
import time

import google_crc32c
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from keras_dlnotes.summaries.event_protos import (
    ScalarsTemplate,
    custom_scalars_value,
    histogram_value,
    hparams_values,
    text_value,
)
from keras_dlnotes_layers.format import layer_value

# What the name of each file ends in.
FILE_SUFFIX = ".keras_dlnotes"

_CLOSE = object()


class _FastRecordWriter(RecordWriter):
    """TensorBoard's record format with the checksum in C.

    TensorBoard's own is a Python loop over the bytes: 1 ms for the scalars of one step.
    """

    def write(self, data):
        header = struct.pack("<Q", len(data))
        self._writer.write(header + _masked_crc(header) + data + _masked_crc(data))


def _masked_crc(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


class EventFileWriter:
    """Writes scalars, histograms, texts and chart layouts to one TensorBoard event file.

    What is added is encoded and written by a thread; adding costs the caller a few microseconds.
    A write that fails (a full disk, a file that was deleted) never reaches the caller: what
    follows is dropped, and `failure` holds the exception. A copy, made by `copy.deepcopy` or
    `pickle`, writes to a file of its own in the same folder.

    Args:
        log_dir: folder of the run; made where it is not there.
        flush_seconds: a reader sees what was added at most this many seconds later.

    Raises:
        OSError: if the folder cannot be made or no file can be opened in it.
    """

    _file_numbers = itertools.count()

    def __init__(self, log_dir, flush_seconds=5.0):
        log_dir = os.fspath(log_dir)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}."
            f"{os.getpid()}.{next(self._file_numbers)}{FILE_SUFFIX}"
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
        self._file = file
        self._records = _FastRecordWriter(file)
        self._templates = {}
        self._layer_tags = set()  # those whose rows are in the file
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="event-file-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # what a crash left in the queue is what one wants to see
        self._add(lambda: Event(wall_time=time.time(), file_version="brain.Event:2"))

    def __reduce__(self):
        return type(self), (os.path.dirname(self.path), self._flush_seconds)

    def add_scalars(self, step, tags, numbers, wall_time=None):
        """Adds one number under each tag.

        Args:
            step: number of the train step.
            tags: tuple of tags; the same tuple each time is encoded fastest.
            numbers: sequence of floats, one a tag.
            wall_time: seconds since 1970; now by default.
        """
        wall_time = time.time() if wall_time is None else wall_time

        def encode():
            if tags not in self._templates:
                self._templates[tags] = ScalarsTemplate(tags)
            return self._templates[tags].fill(step, wall_time, numbers)

        self._add(encode)

    def add_histogram(self, step, tag, low, high, counts, wall_time=None):
        """Adds a histogram of equal bins between `low` and `high`."""
        self._add_value(step, wall_time, lambda: histogram_value(tag, low, high, counts))

    def add_layers(self, step, parts, wall_time=None):
        """Adds statistics of all layers, each as one tensor, for the layers tab.

        Args:
            step: number of the train step.
            parts: list of `(tag, rows, values)`; see `keras_dlnotes_layers.format`.
            wall_time: seconds since 1970; now by default.
        """
        wall_time = time.time() if wall_time is None else wall_time

        def encode():
            event = Event(step=step, wall_time=wall_time)
            for tag, rows, values in parts:
                known = tag in self._layer_tags
                self._layer_tags.add(tag)
                event.summary.value.append(layer_value(tag, values, None if known else rows))
            return event

        self._add(encode)

    def add_text(self, step, tag, text, wall_time=None):
        """Adds a text in Markdown."""
        self._add_value(step, wall_time, lambda: text_value(tag, text))

    def add_custom_scalars(self, categories):
        """Sets the layout of the custom-scalars dashboard; see `custom_scalars_value`."""
        self._add_value(0, None, lambda: custom_scalars_value(categories))

    def add_hparams(self, hparams, group, succeeded, start, end):
        """Adds this run to the hyperparameters dashboard; see `hparams_values`."""
        for value in hparams_values(hparams, group, succeeded, start, end):
            self._add_value(0, None, lambda value=value: value)

    def flush(self):
        """Waits until all that was added is in the file."""
        if not self._thread.is_alive():
            return
        done = threading.Event()
        self._queue.put(done)
        done.wait()

    def close(self):
        """Writes what is left and closes the file."""
        self._closed = True
        if self._thread.is_alive():
            self._queue.put(_CLOSE)
            self._thread.join()
        atexit.unregister(self.close)

    def _add_value(self, step, wall_time, make):
        wall_time = time.time() if wall_time is None else wall_time

        def encode():
            event = Event(step=step, wall_time=wall_time)
            event.summary.value.add().CopyFrom(make())
            return event

        self._add(encode)

    def _add(self, encode):
        if self._closed and self.failure is None:
            self.failure = ValueError(f"the event file {self.path!r} is closed")
        if self.failure is None:
            self._queue.put(encode)

    def _run(self):
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

    def _attempt(self, item, flush):
        try:
            if self.failure is None and callable(item):
                record = item()
                self._records.write(
                    record if isinstance(record, bytes) else record.SerializeToString()
                )
            if flush or item is _CLOSE or isinstance(item, threading.Event):
                self._records.flush()
                if self.failure is None and not os.fstat(self._file.fileno()).st_nlink:
                    # The system goes on writing to a file that nobody can open any more.
                    raise FileNotFoundError(f"the event file {self.path!r} was deleted")
        except Exception as error:  # a monitor must never end a training run
            if self.failure is None:
                self.failure = error
