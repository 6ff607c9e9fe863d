"""Where a callback writes its measurements to, if anywhere: which folder, which writer."""

import atexit
import os
import re
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.instrumentation import train_step_number
from keras_dlnotes.summaries import EventFileWriter
from keras_dlnotes.summaries.event_file_writer import FILE_SUFFIX
from keras_dlnotes.summaries.whole_file import is_full

# For each model: the fit (by the dict of its parameters, which Keras makes anew for each and hands
# to all of its callbacks) that last wrote to a `log_dir`, and the folder that it wrote to.
_FOLDERS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def run_folder(
    log_dir: str | os.PathLike[str], callback: keras.callbacks.Callback, epoch: int = 0
) -> str:
    """The folder in `log_dir` for the `fit` that a callback takes part in.

    TensorBoard takes all event files of one folder for one run: where a second run begins at step
    0 again, it hides the first. So only runs that continue each other share a folder:

    - the first run writes to `log_dir` itself;
    - a run that starts at step 0, or with a model that was loaded and in epoch 0, while there is
      one already writes to `log_dir/run_2`, the next one to `log_dir/run_3`, and so on;
    - a run that starts later goes on where its model wrote before, or, in a new process (a run
      that `BackupAndRestore` resumes, `initial_epoch`), in the last of these folders.

    All callbacks of one `fit` with the same `log_dir` write to the same folder.

    Args:
        log_dir: folder that was asked for.
        callback: a callback of a `fit` that has set it up and restored the optimizer.
        epoch: the first epoch of that `fit`.
    """
    log_dir = os.fspath(log_dir)
    known = _FOLDERS.setdefault(callback.model, {})
    fit, folder = known.get(os.path.abspath(log_dir), (None, None))
    if folder is None or fit is not callback.params:
        runs = _runs(log_dir)
        begins = folder is None and epoch == 0
        if begins or train_step_number(callback.model) == 0:
            folder = os.path.join(log_dir, f"run_{max(runs) + 1}") if runs else log_dir
        elif folder is None:
            folder = runs[max(runs)] if runs else log_dir
        known[os.path.abspath(log_dir)] = callback.params, folder
    return folder


def _runs(log_dir: str) -> dict[int, str]:
    """Dict from a run's number to its folder, of those that hold event files."""
    folders = {1: log_dir}
    for name in _names(log_dir):
        if match := re.fullmatch(r"run_(\d+)", name):
            folders[int(match[1])] = os.path.join(log_dir, name)
    return {
        number: folder
        for number, folder in folders.items()
        if any(name.endswith(FILE_SUFFIX) for name in _names(folder))
    }


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it is not there, or is no folder, of which the one who writes there tells
        return []


class ReportWriter:
    """An event file that is open while `fit` runs, a given writer, or nothing.

    Of several processes that train one model together only the chief writes: worker 0 of a
    TensorFlow cluster, rank 0 of `torch.distributed`.

    Nothing that goes wrong while it writes ends the training: there is one warning in each `fit`,
    and what comes after is dropped.

    Args:
        reporter: who writes, for the warning: `"training monitor"`.
        writer: what to write to instead of an event file, or None; its maker closes it. Of
            the methods of `MemoryWriter` it needs `add_scalars`; others that are missing are not
            called. If it has a method `open`, that is called when a `fit` starts.
        max_megabytes: how much the event files of the run may take, or None.
    """

    def __init__(
        self, reporter: str, writer: Any = None, max_megabytes: float | None = None
    ) -> None:
        self._reporter = reporter
        self._given = writer
        self._max_megabytes = max_megabytes
        self._writer: Any = None
        self._failure: Exception | None = None
        self._warned = False
        self._is_open = False
        self.folder: Any = None  # of this run, see `run_folder`

    def __getstate__(self) -> dict[str, Any]:
        # The file belongs to a `fit`; a copy opens its own.
        return vars(self) | {"_writer": None, "_failure": None, "_is_open": False}

    def open(
        self,
        callback: keras.callbacks.Callback,
        log_dir: str | os.PathLike[str] | None,
        epoch: int = 0,
    ) -> None:
        """Opens the event file for a callback's `fit`, unless it is open.

        Args:
            callback: whose `fit` has set it up and restored the optimizer.
            log_dir: folder for event files, or None; see `run_folder`.
            epoch: the first epoch of the `fit`.

        Raises:
            OSError: if no file can be made in `log_dir`, however much room the disk has.
            Exception: what a given writer's `open` raises, but for a full disk.
        """
        if self._is_open:
            return
        self._failure, self._warned, self._is_open = None, False, True
        if not active.processes.is_chief(callback.model):
            return
        try:
            if self._given is not None:
                if hasattr(self._given, "open"):
                    self._given.open()
                self._writer = self._given
                atexit.register(self.close)  # what it holds, where a `fit` raises and all ends
            elif log_dir is not None:
                self.folder = run_folder(log_dir, callback, epoch)
                self._writer = EventFileWriter(self.folder, max_megabytes=self._max_megabytes)
        except OSError as error:
            if not is_full(error):
                raise
            self.fail(error)

    def close(self) -> None:
        """Closes the event file; lets a given writer write what it holds."""
        if self._writer is not None:
            self._ask("close" if self._given is None else "flush")
            atexit.unregister(self.close)
            self.warn_of_failure()
            self._writer = None
        self._is_open = False

    @property
    def run(self) -> Any:
        """What can be read back: the run's folder or a given writer; None before any `fit`."""
        if isinstance(self._given, EventFileWriter):
            return os.path.dirname(self._given.path)
        return self.folder if self._given is None else self._given

    @property
    def writes_event_file(self) -> bool:
        """Whether what is written goes to an event file."""
        return self._given is None or isinstance(self._given, EventFileWriter)

    @property
    def seconds(self) -> float:
        """How long the writer has been busy."""
        return getattr(self._writer, "seconds", 0.0)

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """See `EventFileWriter.add_scalars`."""
        self._ask("add_scalars", step, tags, numbers, wall_time)

    def add_histogram(
        self,
        step: int,
        tag: str,
        low: float,
        high: float,
        counts: Any,
        wall_time: float | None = None,
    ) -> None:
        """See `EventFileWriter.add_histogram`."""
        self._ask("add_histogram", step, tag, low, high, counts, wall_time)

    def add_layers(self, step: int, parts: Iterable[Any], wall_time: float | None = None) -> None:
        """See `EventFileWriter.add_layers`."""
        self._ask("add_layers", step, parts, wall_time)

    def add_findings(self, step: int, findings: Iterable[dict[str, Any]]) -> None:
        """See `EventFileWriter.add_findings`."""
        self._ask("add_findings", step, findings)

    def add_custom_scalars(self, categories: dict[str, dict[str, list[str]]]) -> None:
        """See `EventFileWriter.add_custom_scalars`."""
        self._ask("add_custom_scalars", categories)

    def scalars(self, step: int, prefix: str, numbers: Mapping[str, float]) -> None:
        """Writes a dict of numbers under `prefix/<name>`."""
        if numbers:
            tags = tuple(f"{prefix}/{name}" for name in numbers)
            self.add_scalars(step, tags, list(numbers.values()))

    def text(self, step: int, tag: str, text: str) -> None:
        """Writes a text, and sees to it that it is in the file."""
        self._ask("add_text", step, tag, text)
        self._ask("flush")

    def warn_of_failure(self) -> None:
        """Tells, once in a `fit`, that and why nothing is written any more."""
        failure = self._failure or getattr(self._writer, "failure", None)
        if failure is not None and not self._warned:
            self._warned = True
            where = "its writer" if self._given is not None else repr(os.fspath(self.folder))
            warnings.warn(
                f"The {self._reporter} stopped writing to {where}: {failure}. Training goes on "
                "without it, and what was written before can be read.",
                stacklevel=2,
            )

    def fail(self, error: Exception) -> None:
        """Tells that something could not be written, and writes no more."""
        self._failure = self._failure or error
        self.warn_of_failure()

    def _ask(self, method: str, *arguments: Any) -> None:
        if self._writer is None or (self._failure is not None and method != "close"):
            return
        if method != "add_scalars" and not hasattr(self._writer, method):
            return  # not every writer has a place for all
        try:
            getattr(self._writer, method)(*arguments)
        except Exception as error:  # a writer of the user's own; ours keeps what it meets
            self.fail(error)
