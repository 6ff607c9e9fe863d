"""A callback's state, saved and restored together with the weights of the model that it watches."""

import json
import re
import zlib
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend.registration import REMINDER
from keras_dlnotes.stopping import Criterion


class StoppingState(keras.Layer):
    """Lets Keras save what a callback remembers with the model's weights while `fit` runs.

    `save_weights`, and so `BackupAndRestore` and `ModelCheckpoint`, saves all that hangs on the
    model. This hangs on it past Keras's tracking, so that it is in no list of layers or weights,
    and is away again after `fit`. Who loads such a file without the callback does not notice it.

    Args:
        owner: the callback, with methods `get_state()`, which returns a dict that JSON can hold
            and a list of arrays or None, and `set_state(numbers, arrays)`, which gets them back,
            or `(None, None)` where nothing had been saved.
        identity: what distinguishes it from other callbacks on the same model; a string.
    """

    def __init__(self, owner: Any, identity: str) -> None:
        super().__init__(trainable=False, name="early_stopping_state")
        self.built = True
        self.__dict__["_owner"] = owner
        # The same from one process to the next, unlike `hash`.
        self._attribute = f"_early_stopping_{zlib.crc32(identity.encode()):08x}"
        self.was_loaded = False
        self.listens = False

    def attach(self, model: keras.Model) -> None:
        """Hangs the state on the model, in place of that of an earlier such callback."""
        model.__dict__[self._attribute] = self
        self.was_loaded = False
        self.listens = True

    def detach(self, model: keras.Model) -> None:
        """Takes the state off the model."""
        model.__dict__.pop(self._attribute, None)

    def save_own_variables(self, store: Any) -> None:
        """Called by Keras where weights are saved."""
        numbers, arrays = self._owner.get_state()
        store["numbers"] = np.frombuffer(_as_json(numbers).encode(), dtype="uint8")
        for place, array in enumerate(arrays or ()):
            store[f"array_{place}"] = array
        store["array_count"] = np.array(-1 if arrays is None else len(arrays))

    def load_own_variables(self, store: Any) -> None:
        """Called by Keras where weights are loaded.

        Only what is loaded before the first epoch restores the run. A callback that later goes
        back to good weights must not take back the count of checks, or training might never end.
        """
        if not self.listens:
            return
        self.was_loaded = True
        if "numbers" not in store:  # saved without the callback
            self._owner.set_state(None, None)
            return
        numbers = json.loads(bytes(np.asarray(store["numbers"], dtype="uint8")).decode())
        count = int(np.asarray(store["array_count"]))
        arrays = [np.asarray(store[f"array_{place}"]) for place in range(count)]
        self._owner.set_state(numbers, None if count < 0 else arrays)


def identity_of(criterion: Criterion, *settings: Any) -> str:
    """What distinguishes an `EarlyStopping` from others: its monitors, modes and criterion.

    It is in file names of states that are on disk already, in which each criterion has a module of
    its own.

    Args:
        criterion: its criterion.
        *settings: its monitors, their modes, the smoothing, and the steps between checks.
    """
    monitors, modes, *others = settings
    config = _in_modules_of_their_own(keras.saving.serialize_keras_object(criterion))
    identity = json.dumps([monitors, modes, config, *others], default=str)
    return identity.replace(f" ({REMINDER})", "")


def _in_modules_of_their_own(config: Any) -> Any:
    if isinstance(config, list):
        return [_in_modules_of_their_own(part) for part in config]
    if not isinstance(config, dict):
        return config
    config = {name: _in_modules_of_their_own(part) for name, part in config.items()}
    folder = Criterion.__module__.rpartition(".")[0]
    if str(config.get("module")).startswith(f"{folder}."):
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", config["class_name"]).lower()
        config["module"] = f"{folder}.{name}"
    return config


def _as_json(numbers: dict[str, Any]) -> str:
    # What a criterion of the user's own remembers may be NumPy's numbers.
    return json.dumps(numbers, default=lambda value: value.item())
