"""Copies of a model to try things on.

`keras.models.clone_model` writes the settings of `compile` and of all layers down and reads them
again, which fails for any function or class that is not registered with Keras. Here such objects
are handed to the copy as they are: they hold no state of the model.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation import has_graph
from keras_dlnotes.instrumentation.compiled_settings import (
    compile_alike,
    known_arguments,
    optimizer_like,
    settings_of_compile,
)

# What stands in a configuration, while that is written, for a function of the user's own.
_STAND_IN = keras.activations.linear
# What the names of attributes begin with that Keras sets while a model is compiled and trained.
_OF_TRAINING = tuple(entry.name for entry in internals.set_by_training)
_SET_BY_COMPILE = ("history", "loss", "optimizer")


class CannotCopyError(ValueError):
    """Says why a model has no copy; the error that showed it is its cause."""


def copy_of(
    model: keras.Model,
    inputs: Any,
    change: Callable[[keras.Layer, dict[str, Any]], dict[str, Any]] | None = None,
    weights: bool = True,
) -> keras.Model:
    """A model of the same layers, built and not compiled; the model itself stays as it is.

    Args:
        model: a Keras model of any kind.
        inputs: one or more examples as the model takes them; they build what is not built yet.
        change: function of a layer and its configuration that returns the one to use.
        weights: whether the copy gets all of the model's weights, and not fresh ones where layers
            are trained.

    Raises:
        CannotCopyError: if the model cannot be made anew from what it says of itself.
        Exception: what the model raises when it is called on the inputs.
    """
    copier = _Copier(change)
    with _explained(model):
        copy = copier.model(model)
        _share_settings(model, copy)
    # An error of the call is one of the model on these inputs, if the copy is surely like it.
    with _explained(model) if copier.guessed else contextlib.nullcontext():
        copy(inputs, training=False)  # builds what is not built yet
    with _explained(model):
        shared = {id(v) for v in model.variables} & {id(v) for v in copy.variables}
        if shared:
            raise NotImplementedError(
                "it keeps weights in a list or dict, which a copy would share with it"
            )
        if model.built:
            _share_weights(model, copy, weights)
        if copier.guessed and model.built and weights:
            _check_same_outputs(model, copy, inputs)
    return copy


def batch_size_of(model: keras.Model) -> int | None:
    """How many examples the model takes at once, where it prescribes that; else None."""
    inputs = getattr(model, "inputs", None) or [None]
    return getattr(inputs[0], "shape", (None,))[0]


def compile_like(
    copy: keras.Model, model: keras.Model, optimizer: Any = None, **changes: Any
) -> None:
    """Compiles a copy with the very loss and metrics of the model and an optimizer of its own.

    Args:
        copy: what `copy_of` returned.
        model: the compiled model.
        optimizer: the optimizer to use; None for one like the model's.
        **changes: arguments of `compile` that differ.

    Raises:
        CannotCopyError: if the optimizer cannot be made anew from what it says of itself.
    """
    with _explained(model):
        compile_alike(copy, model, optimizer, **changes)


@contextlib.contextmanager
def metrics_kept(model: keras.Model) -> Iterator[None]:
    """Puts back the values of the model's metrics, which a copy shares."""
    known = settings_of_compile(model)
    given = keras.tree.flatten([known.get("metrics"), known.get("weighted_metrics")])
    metrics = [*model.metrics, *(m for m in given if isinstance(m, keras.metrics.Metric))]
    variables = {id(v): v for metric in metrics for v in metric.variables}
    before = [(v, keras.ops.convert_to_numpy(v).copy()) for v in variables.values()]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


class _Copier:
    """Makes layers anew, a shared one once.

    Attributes:
        guessed: whether an object was made without its class's constructor.
    """

    def __init__(self, change=None):
        self.guessed = False
        self._change = change
        self._made: dict[int, Any] = {}  # by the id of the layer, which the model keeps alive

    def model(self, model):
        """The copy of a whole model."""
        nested = [part for part in internals.flatten_layers(model) if isinstance(part, keras.Model)]
        # Or the settings of `compile` would be written down.
        with patched([(part, "compiled", False) for part in nested]):
            return self._anew(model)

    def _anew(self, layer):
        if id(layer) not in self._made:
            if has_graph(layer):
                made = self._graph(layer)
            elif not isinstance(layer, keras.Layer):
                made = _operation(layer)
            elif _has_default_config(layer):
                made = self._from_attributes(layer)
            else:
                made = self._from_config(layer)
            self._made[id(layer)] = made
        return self._made[id(layer)]

    def _graph(self, model):
        copy = keras.models.clone_model(model, clone_function=self._anew)
        if type(copy) is not type(model):
            copy.__class__ = type(model)
        if _is_own(type(model)):
            self._add_attributes(copy, model)
        return copy

    def _from_config(self, layer):
        try:
            return self._from_arguments(layer)
        except Exception:
            if not _is_own(type(layer)):
                raise
            return self._from_attributes(layer)

    def _from_arguments(self, layer):
        parts = internals.flatten_layers(layer)
        own = [(part, name) for part in parts for name in _own_functions(part)]
        with patched([(part, name, _STAND_IN) for part, name in own]):
            config = layer.get_config()
        if own or any(_is_own(type(part)) for part in parts[1:]):
            objects = {name: self._object(getattr(layer, name, None)) for name in config}
            objects = {name: value for name, value in objects.items() if value is not None}
        else:
            objects = {}
        config = config | objects
        if self._change is not None:
            config = self._change(layer, config)
        config = known_arguments(type(layer), config)
        return type(layer)(**config) if objects else type(layer).from_config(config)

    def _from_attributes(self, layer):
        """An object with the same attributes, for a class that does not say how it was made."""
        self.guessed = True
        kind: Any = type(layer)
        made = kind.__new__(kind)
        base = keras.Model if isinstance(layer, keras.Model) else keras.Layer
        base.__init__(made, name=layer.name, trainable=layer.trainable, dtype=layer.dtype_policy)
        self._add_attributes(made, layer)
        return made

    def _add_attributes(self, copy, layer):
        """Gives the copy what the class's own methods have set, layers and optimizers made anew."""
        known = {**vars(layer), **internals.modules.of(layer, {})}  # where torch keeps layers
        order = {id(inner): place for place, inner in enumerate(internals.inner_layers.of(layer))}

        def place(item):
            return min((order.get(id(part), 0) for part in _parts(item[1])), default=0)

        for name, value in sorted(known.items(), key=place):
            if name in vars(copy) or name in _SET_BY_COMPILE or name.startswith(_OF_TRAINING):
                continue
            if hasattr(keras.Model, name):
                continue  # a method that Keras has wrapped
            if isinstance(value, keras.Variable):
                if type(layer).build is keras.Layer.build:  # or else it makes the weight
                    weight = copy.add_weight(
                        value.shape, dtype=value.dtype, trainable=value.trainable, name=value.name
                    )
                    setattr(copy, name, weight)
                continue
            anew = self._object(value)
            setattr(copy, name, value if anew is None else anew)

    def _object(self, value):
        """What the copy gets in place of a layer or function of the model; None for others."""
        if isinstance(value, keras.Layer):
            return self._anew(value)
        if isinstance(value, keras.optimizers.Optimizer):
            return optimizer_like(value)
        if isinstance(value, keras.random.SeedGenerator):
            return type(value).from_config(value.get_config())
        if isinstance(value, list | tuple | dict):
            made = _some([self._object(part) for part in _parts(value)], _parts(value))
            if made is None or not isinstance(value, dict):
                return made
            return dict(zip(value, made, strict=True))
        return value if _is_own_function(value) else None


def _parts(value):
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list | tuple) else [value]


def _some(made, given):
    """What was made, and what was given where nothing was; None where nothing was at all."""
    if all(item is None for item in made):
        return None
    return [old if new is None else new for new, old in zip(made, given, strict=True)]


def _operation(operation):
    """An operation of `keras.ops` anew; one that cannot be has no state, and may be shared."""
    with contextlib.suppress(Exception):
        return type(operation).from_config(operation.get_config())
    return operation


def _has_default_config(layer):
    """Whether it is a model with Keras's `get_config`.

    That gives the defaults of the arguments of the class, whatever was passed for them.
    """
    return isinstance(layer, keras.Model) and type(layer).get_config is keras.Model.get_config


def _is_own(item):
    """Whether a class or function is not Keras's."""
    return not (getattr(item, "__module__", None) or "").startswith("keras.")


def _is_own_function(value):
    """Whether it is a function that is no activation of Keras's, or an object in place of one.

    A function of `keras.ops` in a layer cannot be written down and read again either.
    """
    if not callable(value) or isinstance(value, type | keras.Layer):
        return False
    if type(value).__module__ in ("builtins", "functools"):
        return getattr(keras.activations, getattr(value, "__name__", ""), None) is not value
    return _is_own(type(value))


def _own_functions(layer):
    """Names of the attributes that hold one."""
    return [
        name
        for name, value in vars(layer).items()
        if not hasattr(keras.Model, name) and _is_own_function(value)
    ]


def _share_settings(model, copy):
    """Which layers are trained, and what they keep beside weights, such as a vocabulary."""
    layers, copies = internals.flatten_layers(model), internals.flatten_layers(copy)
    if [type(old) for old in layers] != [type(new) for new in copies]:
        raise TypeError(
            f"its layers {[old.name for old in layers]} came back as {[new.name for new in copies]}"
        )
    for old, new in zip(layers, copies, strict=True):  # outer layers first: they set inner ones
        if new.trainable != old.trainable:
            new.trainable = old.trainable
        if hasattr(old, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                old.save_assets(folder)
                new.load_assets(folder)


def _share_weights(model, copy, trained):
    if trained:
        copy.set_weights(model.get_weights())
        return
    for old, new in zip(*map(internals.flatten_layers, (model, copy)), strict=True):
        if not old.trainable_weights:  # frozen, or what `adapt` has found
            new.set_weights(old.get_weights())


def _check_same_outputs(model, copy, inputs):
    theirs, ours, again = (
        [keras.ops.convert_to_numpy(t) for t in keras.tree.flatten(m(inputs, training=False))]
        for m in (model, copy, copy)
    )
    for a, b, c in zip(ours, theirs, again, strict=True):
        if not np.allclose(a, c, equal_nan=True):
            continue  # it draws anew in each call
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise NotImplementedError(
                "a class has no `get_config`, and a copy with the same attributes computes "
                "something else"
            )


@contextlib.contextmanager
def _explained(model):
    try:
        yield
    except Exception as error:
        raise CannotCopyError(
            f"{model.name!r}, of class {type(model).__name__}, cannot be copied: "
            f"{type(error).__name__}: {error}"
        ) from error
