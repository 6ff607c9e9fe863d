"""How the variables of a model are named in tags: by their layer's path through the model."""

from typing import Any

import keras

from keras_dlnotes.instrumentation.step_tape import MeasuredTensor
from keras_dlnotes.instrumentation.watched_layers import find_watched_layers


class VariableNames:
    """Names each variable by the path through the model, so that no two share a name.

    Keras's own `variable.path` says where a variable was made: layers of one name in two inner
    models share it, and after `load_model` it lacks the model's name, which it had before.

    The name is `<model>/<layers on the way>/<layer>/<variable>`. A functional model's own name is
    left out, as in Keras's paths.

    Args:
        model: a Keras model; the names are found when the first is asked for.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._found: dict[int, tuple[Any, Any, str]] | None = None

    def __call__(self, variable: keras.Variable) -> tuple[MeasuredTensor, str]:
        """Which tensor it is, and its name; its Keras path where no layer of the model has it."""
        # A layer may have been built since; a frozen variable has no name in tags.
        if self._found is None or (variable.trainable and id(variable) not in self._found):
            self._found = self._names()
        # The entry holds the variable, so its `id` cannot be that of another.
        _, origin, name = self._found.get(id(variable), (variable, None, variable.path))
        return origin or MeasuredTensor(variable.path.rpartition("/")[0], "", variable.name), name

    def _names(self) -> dict[int, tuple[keras.Variable, MeasuredTensor, str]]:
        is_functional = hasattr(self._model, "operations") and not isinstance(
            self._model, keras.Sequential
        )
        prefix = "" if is_functional else f"{self._model.name}/"
        found = {}
        # Innermost last: a nested model comes before the layers in it.
        for watched in find_watched_layers(self._model):
            for variable in watched.layer.trainable_variables:
                inside = _path_inside(watched.layer, variable)
                found[id(variable)] = variable, watched, inside
        taken, names = set(), {}
        for key, (variable, watched, inside) in found.items():
            name, number = inside, 2
            while (watched.path, name) in taken:
                name, number = f"{inside}_{number}", number + 1
            taken.add((watched.path, name))
            origin = MeasuredTensor(watched.name, type(watched.layer).__name__, name)
            names[key] = variable, origin, f"{prefix}{watched.path}/{name}"
        return names


def _path_inside(layer: keras.Layer, variable: keras.Variable) -> str:
    """The variable's path below the layer: `kernel`, or `lstm_cell/kernel` of a composite one."""
    parts = variable.path.split("/")
    places = [place for place, part in enumerate(parts[:-1]) if part == layer.name]
    return "/".join(parts[places[-1] + 1 :]) if places else variable.name
