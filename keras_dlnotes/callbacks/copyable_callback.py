"""What all callbacks of this package share: they can be copied and pickled."""

import abc
import copy
from typing import Any, Self

import keras

from keras_dlnotes.backend import internals


class CopyableCallback(keras.callbacks.Callback, abc.ABC):
    """A callback that `copy.deepcopy` and `pickle` take, before, during and after a `fit`.

    Whoever tries several models copies callbacks (KerasTuner, joblib). A copy has the settings and
    what was found, and belongs to no model: what belongs to the running `fit` (the model, open
    files, replaced methods) stays with the original.

    A subclass names in `of_a_fit` the attributes that are None outside of a `fit`, and in `shared`
    those that a copy shares with the original, since they are the user's data.
    """

    of_a_fit: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        model = internals.model_of_callback.name_on(self)
        return vars(self) | dict.fromkeys((model, *self.of_a_fit))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        for name in self.shared:
            value = getattr(self, name)
            memo[id(value)] = value
        copied.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return copied
