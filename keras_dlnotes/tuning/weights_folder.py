"""The weights of a trial on disk, and what is needed to put them into a newly built model."""

import json
import warnings
from pathlib import Path
from typing import Any

import keras

_WEIGHTS = "best.weights.h5"
_BUILD = "build.json"


def save_weights(model: keras.Model, folder: Path) -> None:
    """Writes a model's weights, and the shapes to build it with: its first batch may do that.

    Raises:
        Exception: whatever Keras and h5py raise where the disk is full; nothing is left then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _BUILD).write_text(json.dumps(model.get_build_config()))
        model.save_weights(folder / _WEIGHTS)
    except BaseException:
        remove_weights(folder)
        raise


def has_weights(folder: Path) -> bool:
    """Whether there are any."""
    return (folder / _WEIGHTS).exists()


def load_weights(model: keras.Model, folder: Path) -> None:
    """Puts them into a model of the same architecture."""
    if not model.built:
        model.build_from_config(_with_shapes(json.loads((folder / _BUILD).read_text())))
        model.built = True  # of a subclassed model Keras builds the layers and does not say so
    with warnings.catch_warnings():
        # Of the optimizer's state, which is the last epoch's and not the best one's.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model.load_weights(folder / _WEIGHTS)


def remove_weights(folder: Path) -> None:
    """Makes room."""
    for name in (_WEIGHTS, _BUILD):
        (folder / name).unlink(missing_ok=True)


def _with_shapes(read: Any) -> Any:
    """JSON has no tuples; to Keras a list is several shapes."""
    if isinstance(read, dict):
        return {name: _with_shapes(value) for name, value in read.items()}
    if not isinstance(read, list):
        return read
    is_shape = all(size is None or isinstance(size, int) for size in read)
    return tuple(read) if is_shape else [_with_shapes(value) for value in read]
