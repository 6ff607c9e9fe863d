"""Batch normalization folded into the layers before it."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import has_graph, layer_kinds
from keras_dlnotes.layers import rebuild
from keras_dlnotes.layers.batch_normalization import BatchNormalization
from keras_dlnotes.numerics.folding import fold_into_linear, inference_scale_and_shift

NORMALIZATIONS = (BatchNormalization, keras.layers.BatchNormalization)


def fold(model: keras.Model, partial: bool = False) -> keras.Model:
    r"""Folds every batch normalization into the linear layer before it, for inference.

    Use it on a trained model before it is deployed: predictions stay the same (within rounding;
    1e-5 in float32), and the normalizations cost neither time nor memory any more. The folded
    model has nothing left to normalize by the batch, so train the original, not this one.

    Formula: \(\gamma \frac{W x + b - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta =
    (s W) x + (s b + t)\) with \(s = \gamma / \sqrt{\sigma^2 + \epsilon}\) and
    \(t = \beta - \mu s\).

    Folded are this package's and Keras's `BatchNormalization` directly after a Dense, Conv,
    DepthwiseConv, SeparableConv or ConvTranspose layer that has no activation and feeds nothing
    else, in Sequential and functional models, nested ones too.

    Args:
        model: A built Sequential or functional model; it stays as it is.
        partial: Leave what cannot be folded in place, instead of raising an error.

    Returns:
        A new model without the folded layers.

    Raises:
        ValueError: if the model is not built, if its connections are not known (a subclassed
            model), or, unless `partial`, if a normalization cannot be folded; the reason is given
            for each.

    Example:
    ```python
    model = keras.applications.MobileNetV2(weights=None)
    folded = kd.layers.fold(model)
    ```

    Reference: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", 2018, section 3.2.
    """
    if not has_graph(model) or not model.built:
        raise ValueError(
            "Expected a built Sequential or functional model, where it is known which layer "
            f"follows which. Received: {model!r}. Call an unbuilt model on a batch first; of a "
            "subclassed one, fold the Sequential and functional models inside it."
        )
    pairs, kept = _find_pairs(model)
    if kept and not partial:
        listed = "\n".join(f"- {name}: {reason}" for name, reason in kept)
        raise ValueError(
            "Expected each batch normalization directly after a dense or convolution layer. "
            f"Received:\n{listed}\nPass `partial=True` to fold the others and keep these."
        )
    folded = [rebuild.copy_of(linear, use_bias=True) for linear, _ in pairs]
    replacements: dict[int, list[Any]] = {id(normalization): [] for _, normalization in pairs}
    replacements |= {id(linear): [new] for (linear, _), new in zip(pairs, folded, strict=True)}
    new_model = rebuild.rebuild(model, replacements)
    for (linear, normalization), new in zip(pairs, folded, strict=True):
        _assign_folded(linear, normalization, new)
    return new_model


def _find_pairs(
    model: keras.Model,
) -> tuple[list[tuple[keras.Layer, keras.Layer]], list[tuple[str, str]]]:
    """Lists each `(linear, normalization)` to be folded, and `(name, reason)` of the others."""
    models = rebuild.nested_models(model)
    reasons: dict[int, tuple[Any, ...]] = {}
    for layer in (layer for each in models for layer in each.layers):
        if isinstance(layer, NORMALIZATIONS):
            reasons[id(layer)] = (layer.name, "there is no layer before it in its model")
        elif not has_graph(layer):
            for inner in internals.flatten_layers(layer, include_self=False):
                if isinstance(inner, NORMALIZATIONS):
                    reasons[id(inner)] = (inner.name, f"it is hidden in {_described(layer)}")
    uses = [use for each in models for use in rebuild.connections(each)]
    count = Counter(id(layer) for layer, _ in uses)
    pairs = []
    for layer, consumers in uses:
        for follower in consumers:
            if isinstance(follower, NORMALIZATIONS):
                reason = _obstacle(layer, consumers, follower, count)
                if reason is None:
                    pairs.append((layer, follower))
                    del reasons[id(follower)]
                else:
                    reasons[id(follower)] = (follower.name, reason)
    return pairs, list(reasons.values())


def _obstacle(
    layer: Any, consumers: list[Any], normalization: keras.Layer, count: Counter[int]
) -> str | None:
    """Why the normalization cannot be folded into the layer before it; None if it can."""
    if not isinstance(layer, layer_kinds.LINEAR):
        return f"it follows {_described(layer)}"
    if not rebuild.is_linear(layer):
        name = getattr(layer.activation, "__name__", layer.activation)
        return f"the activation {name!r} of {_described(layer)} lies between"
    if len(consumers) > 1:
        others = [_described(other) for other in consumers if other is not normalization]
        return f"{_described(layer)} also feeds {', '.join(others) or 'it a second time'}"
    if count[id(layer)] > 1 or count[id(normalization)] > 1:
        return f"it or {_described(layer)} is used in several places"
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return f"{_described(layer)} is quantized or has LoRA weights"
    rank = normalization.input_spec.ndim
    if normalization.axis % rank != rebuild.unit_axis(layer) % rank:
        return (
            f"it normalizes axis {normalization.axis}, which does not number the units of "
            f"{_described(layer)}"
        )
    return None


def _described(layer: Any) -> str:
    return "the output" if layer is None else f"{layer.name!r} ({type(layer).__name__})"


def _assign_folded(linear: keras.Layer, normalization: keras.Layer, new: keras.Layer) -> None:
    def numbers(variable: keras.Variable | None) -> np.ndarray | None:
        return None if variable is None else np.array(keras.ops.convert_to_numpy(variable))

    scale, shift = inference_scale_and_shift(
        numbers(normalization.moving_mean),
        numbers(normalization.moving_variance),
        normalization.epsilon,
        numbers(normalization.gamma),
        numbers(normalization.beta),
    )
    values = {variable.name: numbers(variable) for variable in linear.variables}
    name = "pointwise_kernel" if "pointwise_kernel" in values else "kernel"
    values[name], values["bias"] = fold_into_linear(
        values[name], values.get("bias"), scale, shift, _unit_axes_of_kernel(linear)
    )
    for variable in new.variables:
        variable.assign(values[variable.name])


def _unit_axes_of_kernel(layer: keras.Layer) -> tuple[int, ...]:
    if isinstance(layer, layer_kinds.DEPTHWISE):
        return (-2, -1)
    return (-2,) if isinstance(layer, layer_kinds.TRANSPOSE) else (-1,)
