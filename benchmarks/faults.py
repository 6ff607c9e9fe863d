"""Injects faults into trainings and searches, and counts what was lost: kill -9, a full disk, NaN.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/faults.py --write docs/reliability.md

Each try runs in a process of its own, at moments drawn from a seed. A row of the table says how
often a fault was injected and what came of it; what should not have happened is in bold. The
program ends after about `--minutes`, and stops within a row when the row's share of them is over;
each row has one try at least. Where a file system of 400 KB can be mounted (as root on Linux), the
full disk is one; elsewhere it is a limit on the size of files. `--only TEXT` runs the rows whose
fault has the text. On JAX and TensorFlow a try takes seconds, on torch a fraction of one.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # else Keras imports it to seed it
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import optuna
from fault_cases import in_fit, in_search
from fault_cases.injection import Row

import keras_dlnotes as kd

# The fault, into what, what injects it, its arguments, its share of the time, whether it is ours.
ROWS = (
    ("kill -9 in `fit`", "LBFGS, `EarlyStopping`, `TrainingMonitor`, Keras's `BackupAndRestore`",
     in_fit.kill_in_fit, (), 3, True),
    ("Ctrl-C in `fit`, then fresh weights", "`EarlyStopping`, `TrainingMonitor`",
     in_fit.interrupt_fit, (), 1, True),
    ("", "Keras's `EarlyStopping`", in_fit.interrupt_fit, (True,), 1, False),
    ("disk full before `fit`", "callbacks that write",
     in_fit.trouble_in_fit, (in_fit.WRITERS, True, -1), 2, True),
    ("disk full during `fit`", "callbacks that write",
     in_fit.trouble_in_fit, (in_fit.WRITERS, True, 3), 2, True),
    ("", "Keras's `ModelCheckpoint`",
     in_fit.trouble_in_fit, (("ModelCheckpoint",), True, 3), 1, False),
    ("folder deleted during `fit`", "callbacks that write",
     in_fit.trouble_in_fit, (in_fit.WRITERS, False, 3), 2, True),
    ("", "Keras's `ModelCheckpoint`",
     in_fit.trouble_in_fit, (("ModelCheckpoint",), False, 3), 1, False),
    ("one batch of NaN", "second-order optimizers",
     in_fit.nan_batch, (tuple(in_fit.OPTIMIZERS)[:4],), 2, True),
    ("", "Keras's `Adam`", in_fit.nan_batch, (tuple(in_fit.OPTIMIZERS)[4:],), 1, False),
    ("kill -9 in searches, twice", "3 workers", in_search.kill_searches, (), 2, True),
    ("Ctrl-C in searches, twice", "3 workers",
     in_search.kill_searches, (3, signal.SIGINT), 1, True),
    ("disk full before a search", "`RandomSearch`",
     in_search.fill_disk_in_search, (True,), 1, True),
    ("disk full during a search", "`RandomSearch`",
     in_search.fill_disk_in_search, (False,), 2, True),
    ("folder deleted during a search", "`RandomSearch`",
     in_search.delete_search_folder, (), 1, True),
    ("journal torn at every byte of its last two lines", "`RandomSearch`",
     in_search.tear_journal, (), 6, True),
    ("", "Optuna's `JournalFileBackend`", in_search.tear_journal, (True,), 2, False),
)  # fmt: skip


def rows(minutes, only):
    """Runs each row for its share of the time."""
    chosen = [row for row in ROWS if only in row[0] + row[1]]
    deadline = time.monotonic() + 60 * minutes
    for place, (fault, what, inject, arguments, share, is_ours) in enumerate(chosen):
        row = Row(fault, what, is_ours)
        shares = sum(other[4] for other in chosen[place:])
        until = time.monotonic() + (deadline - time.monotonic()) * share / shares
        with tempfile.TemporaryDirectory() as folder:
            number, more = 0, True
            while more is not False and (not number or time.monotonic() < until):
                more = inject(Path(folder) / f"try_{number}", row, *arguments)
                number += 1
        print(row, flush=True)
        yield row


def main():
    """Prints the table, and writes it into a document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help="run the rows that have this text")
    parser.add_argument("--write", type=Path, help="put the table into this document")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="This process .* is multi-threaded")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = [str(row) for row in rows(options.minutes, options.only)]
    names = ("keras", keras.backend.backend(), "optuna", "h5py", "tensorboard", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    text = "\n".join(
        [
            "| fault | in what | tries | result |",
            "|---|---|---|---|",
            *found,
            "",
            f"Made on {datetime.date.today()} with Python {platform.python_version()}, {versions}, "
            f"keras_dlnotes {kd.__version__}, on {platform.system()}, by "
            f"`KERAS_BACKEND={keras.backend.backend()} OMP_NUM_THREADS=1 python "
            f"benchmarks/faults.py --minutes {options.minutes:g} --write docs/reliability.md`.",
        ]
    )
    print(text)
    if options.write:
        begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
        before, _, rest = options.write.read_text().partition(begin)
        after = rest.partition(end)[2]
        options.write.write_text(f"{before}{begin}{text}\n{end}{after}")


if __name__ == "__main__":
    main()
