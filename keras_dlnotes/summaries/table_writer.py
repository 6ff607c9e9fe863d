"""Writes numbers to a table in a file: one row for each step and tag."""

import csv
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from keras_dlnotes.summaries.whole_file import is_full, whole_file

_COLUMNS = ("step", "tag", "value", "wall_time")
_HEADER = ",".join(_COLUMNS).encode()
_LONGEST_ROW = 65536  # bytes, more than a tag ever takes
# A Parquet file is written anew each time: at most once a minute, in at most 1/20 of the time.
_SECONDS_BETWEEN_FILES = 60.0
_TIMES_LONGER = 20


class TableWriter:
    """Writes numbers to a CSV or Parquet file in long format: one row for each step and tag.

    Use it to analyse a run with pandas, Polars, DuckDB or R. The columns are

    | column | |
    |---|---|
    | `step` | number of the train step, a 64-bit integer |
    | `tag` | what it is a number of, as in TensorBoard: `activations/dense/mean` |
    | `value` | 64-bit float, also `nan`, `inf` and `-inf`; CSV has all of its digits |
    | `wall_time` | seconds since 1970 |

    Histograms and texts have no place in the table: texts are left out, and a `TrainingMonitor`
    with `histograms_every` refuses this writer.

    Rows are added to a file that is there already; nothing in it is removed. So a second `fit` and
    a run that is resumed go on in their file. Steps that a resumed run repeats stand in it twice,
    in the order in which they were written: the last one counts. Give each run its own file.

    **When the process is killed**, a CSV file has all rows that were added: each call opens the
    file, appends and closes it. (A `TrainingMonitor` adds rows when 16 steps were recorded or 10
    seconds have passed.) The next run removes a row that was cut off. A Parquet file cannot be
    appended to: rows are held in memory, and the file is replaced as a whole once a minute, or
    more rarely where writing it takes longer than 3 seconds, when a `fit` ends or raises, and when
    the interpreter exits. What is at `path` can be read at any time; a process that is killed
    loses the rows since the file was last replaced.

    Args:
        path: file of the run; it ends in `.csv` or `.parquet`. Parquet needs pyarrow. Its folder
            is made where it is not there.

    Raises:
        ImportError: if pyarrow is needed and not installed.
        OSError: when `fit` starts, if no file can be made at `path`.
        ValueError: if `path` has another suffix; when `fit` starts, if there is a file at `path`
            that has other columns.

    Example:
    ```python
    from keras_dlnotes.summaries import TableWriter

    monitor = kd.callbacks.TrainingMonitor(writer=TableWriter("runs/first.csv"))
    model.fit(x, y, callbacks=[monitor])
    table = pandas.read_csv("runs/first.csv").drop_duplicates(["step", "tag"], keep="last")
    table.pivot(index="step", columns="tag", values="value")
    ```
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        suffix = os.path.splitext(self.path)[1].lower()
        if suffix not in _FORMATS:
            raise ValueError(
                "`path` must end in '.csv' or '.parquet', which says what is written. "
                f"Received: {self.path!r}."
            )
        self._file = _FORMATS[suffix](self.path)
        self._is_open = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)  # rows that are held belong to the original

    def open(self) -> None:
        """Checks that rows can be added at `path`; a callback calls it when `fit` starts."""
        folder = os.path.dirname(self.path) or "."
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # of several processes too
                pass
            self._file.open()
        except OSError as error:
            if is_full(error):
                raise
            raise OSError(
                error.errno,
                "`path` must be the path of a file that can be written. Received "
                f"{self.path!r}, where none can be made ({error.strerror}). Pass another `path`",
            ) from error
        self._is_open = True

    def add_scalars(
        self,
        step: int,
        tags: tuple[str, ...],
        numbers: Sequence[float],
        wall_time: float | None = None,
    ) -> None:
        """Adds one row for each tag."""
        if not self._is_open:
            self.open()
        wall_time = time.time() if wall_time is None else float(wall_time)
        rows = zip(tags, numbers, strict=True)
        self._file.add([(int(step), tag, float(number), wall_time) for tag, number in rows])

    def flush(self) -> None:
        """Writes the rows that are held."""
        self._file.flush()

    def close(self) -> None:
        """Writes the rows that are held; more may be added later."""
        self._file.flush()


class _CsvFile:
    """Rows appended to a file that is open no longer than that takes."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self) -> None:
        """Makes the file where it is not there; removes a row that was cut off."""
        with open(self._path, "a+b") as file:
            size = file.tell()
            file.seek(0)
            first = file.readline(_LONGEST_ROW)
            if not (first.rstrip(b"\r\n") == _HEADER or _HEADER.startswith(first)):
                raise _wrong_columns(self._path, first.decode(errors="replace").strip())
            file.seek(max(0, size - _LONGEST_ROW))
            end = file.read()
            file.truncate(size - len(end) + end.rfind(b"\n") + 1)

    def add(self, rows: list[tuple[int, str, float, float]]) -> None:
        """Appends rows, below a header in a new file."""
        with open(self._path, "a", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            if not file.tell():
                table.writerow(_COLUMNS)
            table.writerows(rows)

    def flush(self) -> None:
        """Does nothing: no row is held."""


class _ParquetFile:
    """Rows held in memory, and a file that is replaced by one with more rows."""

    def __init__(self, path: str) -> None:
        _pyarrow()
        self._path = path
        self._rows: list[tuple[int, str, float, float]] = []
        self._next_file = 0.0

    def open(self) -> None:
        """Checks the columns of a file that is there."""
        if os.path.exists(self._path):
            _, parquet = _pyarrow()
            try:
                names = tuple(parquet.read_schema(self._path).names)
            except ValueError as error:  # what pyarrow raises for what is no Parquet file
                raise _wrong_columns(self._path, str(error)) from error
            if names != _COLUMNS:
                raise _wrong_columns(self._path, ", ".join(names))
        if not self._rows:
            self._next_file = time.monotonic() + _SECONDS_BETWEEN_FILES

    def add(self, rows: list[tuple[int, str, float, float]]) -> None:
        """Holds rows, and writes them when it is time to."""
        self._rows += rows
        if time.monotonic() >= self._next_file:
            self.flush()

    def flush(self) -> None:
        """Replaces the file by one with the held rows at its end."""
        if not self._rows:
            return
        start = time.monotonic()
        arrow, parquet = _pyarrow()
        types = (arrow.int64(), arrow.string(), arrow.float64(), arrow.float64())
        columns = zip(zip(*self._rows, strict=True), types, strict=True)
        arrays = [arrow.array(column, kind) for column, kind in columns]
        table = arrow.table(arrays, names=_COLUMNS)
        if os.path.exists(self._path):
            table = arrow.concat_tables([parquet.ParquetFile(self._path).read(), table])
        with whole_file(self._path) as unfinished:
            parquet.write_table(table, unfinished)
        self._rows = []
        end = time.monotonic()
        self._next_file = end + max(_SECONDS_BETWEEN_FILES, _TIMES_LONGER * (end - start))


_FORMATS: dict[str, type[_CsvFile] | type[_ParquetFile]] = {
    ".csv": _CsvFile,
    ".parquet": _ParquetFile,
}


def _wrong_columns(path: str, found: str) -> ValueError:
    return ValueError(
        f"A file at `path` must have the columns {', '.join(_COLUMNS)}, to which rows are added. "
        f"Received {path!r}, which has: {found}. Pass another `path`, or remove the file."
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "Expected pyarrow to write a Parquet file; it is not installed. "
            "Install it with: pip install pyarrow, or let `path` end in '.csv'"
        ) from error
    return pyarrow, parquet
