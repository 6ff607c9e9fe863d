"""Batch normalization put where the notes put it: after the linear map, before the activation."""

from typing import Any

import keras

from keras_dlnotes.instrumentation import has_graph, layer_kinds
from keras_dlnotes.layers import rebuild
from keras_dlnotes.layers.batch_normalization import BatchNormalization

ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
)


def normalize_before_activation(
    model_or_layer: keras.Layer, **arguments: Any
) -> keras.Sequential | keras.Model:
    """Puts a `BatchNormalization` between each linear map and its activation.

    Use it on a model that was written without normalization, or on a single layer while writing
    one. The bias, which subtracting the mean would cancel, is dropped; β takes its place.

    A dense or convolution layer with an activation becomes three layers: the linear one under its
    old name, `<name>_normalization` and `<name>_activation`. A linear one that feeds nothing but an
    activation layer gets its normalization in between. Left alone are the layers that make the
    model's outputs, whose scale is part of the answer, and linear layers without an activation.

    Args:
        model_or_layer: A Sequential or functional model, nested ones are entered; or one dense or
            convolution layer.
        **arguments: Passed to each `BatchNormalization`, but for `axis`, which follows the layer.

    Returns:
        A new model, or a Sequential block in place of the layer, with the kernels of the old. It
        has to be trained: its outputs are not those of the old.

    Raises:
        ValueError: if the model's connections are not known (a subclassed model), if it has no
            layer to be normalized, or a layer is neither dense nor convolution.

    Example:
    ```python
    block = kd.layers.normalize_before_activation(keras.layers.Dense(32, activation="tanh"))
    model = keras.Sequential([keras.Input((64,)), block, keras.layers.Dense(10, "softmax")])
    ```

    Reference: deep-learning notes, "Batch Normalization", placement; Ioffe and Szegedy, "Batch
    Normalization", 2015, section 3.2.
    """
    if isinstance(model_or_layer, layer_kinds.LINEAR):
        return _block(model_or_layer, arguments)
    if not has_graph(model_or_layer):
        raise ValueError(
            "Expected a Sequential or functional model, or a dense or convolution layer. "
            f"Received: {model_or_layer!r}. In a subclassed model, normalize its layers one by one."
        )
    model = model_or_layer
    chosen = _layers_before_an_activation(model)
    if not chosen:
        raise ValueError(
            "Expected a dense or convolution layer with an activation before the model's outputs. "
            f"Received: model {model.name!r} with layers {[layer.name for layer in model.layers]}."
        )
    replacements = {id(layer): _chain(layer, arguments) for layer in chosen}
    new_model = rebuild.rebuild(model, replacements)
    for layer in chosen:
        _copy_kernels(layer, replacements[id(layer)][0])
    return new_model


def _block(layer: keras.Layer, arguments: dict[str, Any]) -> keras.Sequential:
    chain = _chain(layer, arguments)
    block = keras.Sequential(chain, name=f"{layer.name}_normalized")
    if layer.built:
        block.build(layer.get_build_config()["input_shape"])
        _copy_kernels(layer, chain[0])
    return block


def _chain(layer: keras.Layer, arguments: dict[str, Any]) -> list[keras.Layer]:
    """The layers in place of one: its linear map, the normalization and its activation if any."""
    # The policy goes along: under mixed precision the layer may have been given its own.
    shared = {"dtype": layer.dtype_policy}
    normalization = BatchNormalization(
        axis=rebuild.unit_axis(layer),
        **{"name": f"{layer.name}_normalization", **shared, **arguments},
    )
    chain = [rebuild.copy_of(layer, use_bias=False, activation=None), normalization]
    if not rebuild.is_linear(layer):
        activation = layer.activation
        if not isinstance(activation, keras.Layer):
            activation = keras.layers.Activation(
                activation, name=f"{layer.name}_activation", **shared
            )
        chain.append(activation)
    return chain


def _copy_kernels(layer: keras.Layer, new: keras.Layer) -> None:
    if layer.built and new.built:
        old = {variable.name: variable for variable in layer.variables}
        for variable in new.variables:
            variable.assign(keras.ops.copy(old[variable.name]))  # see `rebuild.rebuild`


def _layers_before_an_activation(model: keras.Model) -> list[keras.Layer]:
    models = rebuild.nested_models(model)
    output_layers = _output_layers(model)
    consumers: dict[int, tuple[Any, ...]] = {}
    for each in models:
        for layer, following in rebuild.connections(each):
            consumers.setdefault(id(layer), (layer, []))[1].extend(following)

    def is_hidden_activation(item: Any) -> bool:
        return (
            isinstance(item, ACTIVATION_LAYERS)
            and getattr(item, "activation", None) is not keras.activations.linear
            and id(item) not in output_layers
        )

    return [
        layer
        for layer, following in consumers.values()
        if isinstance(layer, layer_kinds.LINEAR)
        and id(layer) not in output_layers
        and (not rebuild.is_linear(layer) or all(map(is_hidden_activation, following)))
    ]


def _output_layers(model: keras.Model) -> set[int]:
    found: set[int] = set()
    for layer, consumers in rebuild.connections(model):
        if None in consumers:
            found |= _output_layers(layer) if has_graph(layer) else {id(layer)}
    return found
