"""The folder that a run writes to."""

import os
import re
import weakref
from typing import Any

import keras

from keras_dlnotes.instrumentation import train_step_number
from keras_dlnotes.summaries.event_file_writer import FILE_SUFFIX

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
