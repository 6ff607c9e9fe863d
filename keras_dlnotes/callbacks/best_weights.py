"""The best weights of a run, in memory or in a file."""

import os
import warnings
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.summaries.whole_file import check_file_can_be_made, whole_file


class BestWeights:
    """Keeps the weights of a model until better ones come.

    With a path they are kept in that file; of several processes the first alone writes it. Where it
    cannot be written (a full disk, a folder that may not be written to any more) there is one
    warning in each run, the file stays as it was, and the weights are kept in memory until a later
    write succeeds.

    Args:
        path: the file, or None for memory.

    Attributes:
        arrays: the weights in memory, or None.
        is_on_disk: whether the best ones are in the file.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path: Any = path
        self.forget()

    def forget(self) -> None:
        """Forgets what was kept; the file stays."""
        self.arrays: list[Any] | None = None
        self.is_on_disk = False
        self._warned = False

    def check(self, model: keras.Model) -> None:
        """Raises an OSError where the file can never be written."""
        if self._writes(model):
            check_file_can_be_made("best_weights_path", self.path)

    def keep(self, model: keras.Model) -> None:
        """Keeps the model's weights as they are now."""
        if self._writes(model):
            try:
                _save_weights(model, self.path)
                self.arrays, self.is_on_disk = None, True
                return
            except Exception as error:  # HDF5 has several for a full disk
                self._warn(f"could not be written: {error}. They are kept in memory")
        self.arrays, self.is_on_disk = model.get_weights(), False

    def _writes(self, model: keras.Model) -> bool:
        """Whether there is a file, and this process the one of several that writes it."""
        return self.path is not None and active.processes.is_chief(model)

    def restore(self, model: keras.Model) -> bool:
        """Sets the weights; returns whether there were any."""
        if self.arrays is not None:
            model.set_weights(self.arrays)
            return True
        if self.is_on_disk:
            try:
                _load_weights(model, self.path)
                return True
            except Exception as error:
                self._warned = False
                self._warn(f"could not be read again: {error}. The model keeps those it has")
        return False

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"The best weights in {os.fspath(self.path)!r} {what}. Training is not ended.",
                stacklevel=2,
            )


def _save_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Saves a file of weights; a crash in the middle of it leaves the one that was there."""
    with whole_file(path) as unfinished:
        model.save_weights(unfinished, overwrite=True)


def _load_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Loads a file of weights and leaves the optimizer, whose state is in it too, as it is."""
    with patched([(model, "optimizer", None)]):
        model.load_weights(path)
