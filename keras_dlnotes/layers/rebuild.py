"""What follows what in a model, and the model built anew with some of its layers replaced."""

from itertools import pairwise
from typing import Any

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import has_graph
from keras_dlnotes.instrumentation.compiled_settings import compile_alike


def is_linear(layer: keras.Layer) -> bool:
    """Whether a dense or convolution layer has no activation of its own."""
    return layer.activation is None or layer.activation is keras.activations.linear


def unit_axis(layer: keras.Layer) -> int:
    """The axis of a dense or convolution layer's outputs that numbers its units: 1 or -1."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def connections(model: keras.Model) -> list[tuple[Any, list[Any]]]:
    """Lists `(layer, consumers)` for each use of each layer in the model, nested models closed.

    Consumers are the layers (or other operations) that take its output; None stands for the
    model's own output.
    """
    if isinstance(model, keras.Sequential):
        return [(layer, [following]) for layer, following in pairwise([*model.layers, None])]
    nodes = [node for level in internals.nodes_by_depth.of(model).values() for node in level]
    outputs = {id(tensor) for tensor in keras.tree.flatten(model.outputs)}
    listed = []
    for node in nodes:
        made = {id(tensor) for tensor in node.output_tensors}
        consumers = [
            other.operation
            for other in nodes
            for tensor in other.input_tensors
            if id(tensor) in made
        ]
        listed.append((node.operation, consumers + [None] * bool(made & outputs)))
    return listed


def nested_models(model: keras.Model) -> list[keras.Model]:
    """The model and all models with a graph in it, each once, the outer ones first."""
    found = {id(model): model}
    for layer in model.layers:
        if has_graph(layer):
            found |= {id(inner): inner for inner in nested_models(layer)}
    return list(found.values())


def copy_of(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """A new layer of the same configuration but for the changes, without the weights."""
    return type(layer).from_config({**layer.get_config(), **changes})


def rebuild(model: keras.Model, replacements: dict[int, list[keras.Layer]]) -> keras.Model:
    """Builds a model anew, nested ones in it too.

    Args:
        model: A Sequential or functional model.
        replacements: Dict from `id(layer)` to the list of new layers that take its place, one
            after the other; an empty list leaves the layer out.

    Returns:
        The new model. The layers that were not replaced have the old ones' values; it is compiled
        as the old one was.
    """
    copies: dict[int, tuple[Any, ...]] = {}
    new_model = _rebuilt(model, replacements, copies)
    for layer, copied in copies.values():
        if copied.built and not has_graph(copied):  # a nested model's layers are here too
            for variable, old in zip(copied.variables, layer.variables, strict=True):
                # In memory of its own: on JAX a step of the new model gives its memory away.
                variable.assign(keras.ops.copy(old))
    if model.compiled:
        compile_alike(new_model, model)
    return new_model


def _rebuilt(
    model: keras.Model,
    replacements: dict[int, list[keras.Layer]],
    copies: dict[int, tuple[keras.Layer, keras.Layer]],
) -> keras.Model:
    def chain_of(layer: Any) -> list[Any]:
        """The layers in place of one, as a list: a new layer may die, and its `id` be another's."""
        if not isinstance(layer, keras.Layer):
            return [layer]  # an operation of `keras.ops` has no state
        if id(layer) in replacements:
            return replacements[id(layer)]
        if id(layer) not in copies:
            rebuilt = _rebuilt(layer, replacements, copies) if has_graph(layer) else copy_of(layer)
            copies[id(layer)] = (layer, rebuilt)
        return [copies[id(layer)][1]]

    def call(chain: list[Any], *arguments: Any, **keywords: Any) -> Any:
        for each in chain:
            arguments, keywords = (each(*arguments, **keywords),), {}
        return arguments[0]

    if not isinstance(model, keras.Sequential):
        return keras.models.clone_model(model, clone_function=chain_of, call_function=call)
    layers = [new for layer in model.layers for new in chain_of(layer)]
    if model.built:
        given = model.inputs[0]
        layers.insert(0, keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name))
    return keras.Sequential(layers, name=model.name, trainable=model.trainable)
