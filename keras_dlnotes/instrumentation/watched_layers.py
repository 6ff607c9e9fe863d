"""Which layers of a model are watched, and the names of layers and variables in tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation.activation_names import activation_of
from keras_dlnotes.instrumentation.step_tape import MeasuredTensor
from keras_dlnotes.measures import SATURATION


@dataclass(frozen=True)
class WatchedLayer:
    """A layer whose outputs are measured.

    Args:
        layer: the Keras layer.
        name: its name in tags, unique in the model.
        path: names of the layers on the way to it, and its own, with slashes between.
        saturation: `(center, radius)` of its activation function, or None where it has none that
            saturates.
    """

    layer: keras.Layer
    name: str
    path: str
    saturation: tuple[float, float] | None

    @property
    def passes_on(self) -> bool:
        """Whether it has neither weights nor an activation of its own; see `passes_on`."""
        return passes_on(self.layer)


def passes_on(layer: Any) -> bool:
    """Whether a layer has neither weights nor an activation of its own, seen by its class.

    So are Keras's layers that merge, reshape, pad, crop, pool, mask, drop out or prepare data
    (`Add`, `Flatten`, `ZeroPadding2D`, `MaxPooling2D`, `Dropout`, `Rescaling`), and a model or
    `TimeDistributed` that holds nothing else. A layer of the user's own never is: it may be an
    activation.
    """
    if isinstance(layer, keras.layers.Normalization):
        return False
    if type(layer) is keras.layers.TimeDistributed:
        return passes_on(layer.layer)
    if type(layer) in (keras.Sequential, internals.functional_class.value):
        return all(passes_on(inner) for inner in layer.layers)
    return any(folder.defines(type(layer)) for folder in internals.passing_on)


def find_watched_layers(model: keras.Model, layers: Any = None) -> list[WatchedLayer]:
    """Lists the layers to be watched, in the order in which the model holds them.

    A nested model is entered and so is a layer of the user's own that holds layers; it is watched
    itself as well. Keras's own composite layers (recurrent ones, attention, wrappers) are watched
    as one: their inner layers run inside loops, where no tensor can be taken out.

    Args:
        model: a Keras model.
        layers: None for all; else layer names, layers, or both.

    Returns:
        List of `WatchedLayer`.

    Raises:
        ValueError: if a name or layer in `layers` is not part of the model.
    """
    found = list(_walk(model, ()))
    names = [layer.name for layer, _ in found]
    watched = []
    for layer, path in found:
        full = "/".join([*path, layer.name])
        name = layer.name if names.count(layer.name) == 1 else full
        watched.append(WatchedLayer(layer, name, full, _saturation(layer)))
    if layers is None:
        return watched
    wanted = [layers] if isinstance(layers, str | keras.Layer) else list(layers)
    for item in wanted:
        if not any(item in (w.layer, w.name, w.layer.name) for w in watched):
            raise ValueError(
                "`layers` takes names of layers, or layers, of the model that is trained. "
                f"Received {getattr(item, 'name', item)!r}, which model {model.name!r} does not "
                f"have. Its layers are: {', '.join(w.name for w in watched)}."
            )
    return [w for w in watched if any(item in (w.layer, w.name, w.layer.name) for item in wanted)]


def has_graph(layer: Any) -> bool:
    """Whether the layer is a model whose connections are known: Sequential or functional."""
    return isinstance(layer, keras.Sequential) or (
        internals.nodes_by_depth.of(layer, None) is not None
    )


def _walk(
    parent: keras.Layer, path: tuple[str, ...]
) -> Iterator[tuple[keras.Layer, tuple[str, ...]]]:
    seen = set()

    def enter(
        layer: keras.Layer, path: tuple[str, ...]
    ) -> Iterator[tuple[keras.Layer, tuple[str, ...]]]:
        if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
            return
        seen.add(id(layer))
        yield layer, path
        if _may_enter(layer):
            for child in _held_by(layer):
                yield from enter(child, (*path, layer.name))

    for child in _held_by(parent):
        yield from enter(child, path)


def _held_by(layer: keras.Layer) -> Any:
    return internals.flatten_layers(layer, include_self=False, recursive=False)


def _may_enter(layer: keras.Layer) -> bool:
    if internals.remat_mode.of(layer, None) is not None:
        return False  # its inside runs in a trace of its own
    return isinstance(layer, keras.Model) or not internals.layers.defines(type(layer))


def _saturation(layer: keras.Layer) -> tuple[float, float] | None:
    # A layer that keeps several activations (an LSTM's gates) outputs something else again.
    if hasattr(layer, "recurrent_activation") or hasattr(layer, "cell"):
        return None
    # A layer of the user's own is not asked: its `call` might draw a random number, and the weights
    # under the monitor would be others.
    function = getattr(layer, "activation", None)
    named = internals.activations.defines(type(layer))
    return SATURATION.get(activation_of(layer) or "") if callable(function) or named else None


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
