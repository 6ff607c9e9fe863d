"""Reads what one layer's configuration and weights say."""

from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.diagnosis.facts import LayerFacts
from keras_dlnotes.instrumentation import activation_of

_MOST_LOOKED_AT = 4096  # numbers of a kernel that are brought to the host
_MOST_DRAWN = 1 << 20  # numbers of a frozen kernel that are compared with its initializer's


def layer_facts(watched, is_output, names, paths):
    """`LayerFacts` of a watched layer.

    Args:
        watched: `WatchedLayer`.
        is_output: whether its output is the model's.
        names: the model's `VariableNames`.
        paths: the model's `LayerPaths`.
    """
    layer = watched.layer
    kernel = kernel_of(layer)
    inner = getattr(layer, "layer", layer) if isinstance(layer, keras.layers.Wrapper) else layer
    values = None if kernel is None else _part_of(kernel)
    embeddings = inner.embeddings if isinstance(inner, keras.layers.Embedding) else None
    return LayerFacts(
        name=watched.name,
        kind=type(inner).__name__,
        activation=activation_of(inner),
        units=None if kernel is None else _width(inner, kernel),
        has_kernel=kernel is not None,
        trainable=layer.trainable and bool(layer.trainable_weights),
        rate=as_float(getattr(layer, "rate", 0.0)),
        identical_units=kernel is not None and identical_units(kernel),
        is_output=is_output,
        weights_path=None if kernel is None else names(kernel)[1],
        gain=None if values is None else _gain(values, kernel.shape),
        bias=_mean_bias(inner),
        recurrent=hasattr(inner, "cell") or hasattr(inner, "recurrent_activation"),
        penalized=getattr(inner, "kernel_regularizer", None) is not None,
        penalized_outputs=getattr(inner, "activity_regularizer", None) is not None,
        initializer=_class_name(getattr(inner, "kernel_initializer", None)),
        numbers=paths.size(layer),
        bypassed=paths.bypassed(layer),
        gate=paths.is_gate(layer),
        as_drawn=layer.trainable or _is_as_drawn(inner, kernel),
        embeddings_path=None if embeddings is None else names(embeddings)[1],
    )


def _mean_bias(layer):
    bias = getattr(layer, "bias", None)
    if bias is None or not hasattr(bias, "value"):
        return None
    mean = float(np.mean(keras.ops.convert_to_numpy(bias.value).astype("float64")))
    return mean if np.isfinite(mean) else None


def _width(layer, kernel):
    """How many units a layer has, which the last axis of its kernel need not be."""
    layer = getattr(layer, "cell", layer)
    if getattr(layer, "depth_multiplier", None) and not getattr(layer, "filters", None):
        return int(kernel.shape[-2] * kernel.shape[-1])  # of a depthwise convolution
    width = getattr(layer, "filters", None) or getattr(layer, "units", None)
    return int(width) if isinstance(width, int) else int(kernel.shape[-1])


def _is_as_drawn(layer, kernel):
    """Whether a layer's weights may be those of its initializers: trained biases are not all 0."""
    moving_mean = getattr(layer, "moving_mean", None)
    if moving_mean is not None:
        return not np.any(keras.ops.convert_to_numpy(moving_mean.value))
    if isinstance(layer, keras.layers.Embedding):
        return _has_size_of(layer.embeddings_initializer, layer.embeddings)
    if kernel is None:
        return True
    bias = getattr(layer, "bias", None)
    if bias is not None:
        zeros = isinstance(getattr(layer, "bias_initializer", None), keras.initializers.Zeros)
        return not zeros or not np.any(keras.ops.convert_to_numpy(bias.value))
    return _has_size_of(getattr(layer, "kernel_initializer", None), kernel)


def _has_size_of(initializer, kernel):
    """Whether weights have the deviation of those that an initializer draws."""
    kind: Any = type(initializer)
    own = internals.keras_itself.defines(kind) or kind.__module__.startswith("keras_dlnotes.")
    if initializer is None or not own:
        return True  # the user's own: a call may change what it draws next
    if not 1 < np.prod(kernel.shape) <= _MOST_DRAWN:
        return True
    anew = kind.from_config(initializer.get_config() | {"seed": 0})
    drawn = keras.ops.convert_to_numpy(anew(kernel.shape, dtype="float32"))
    values = keras.ops.convert_to_numpy(kernel.value).astype("float32")
    # The deviation of n numbers is known up to its 1/sqrt(2 n) part, in each of the two.
    tolerance = 0.02 + 4.0 / drawn.size**0.5
    return bool(abs(values.std() - drawn.std()) <= tolerance * drawn.std())


def _class_name(item):
    return None if item is None else type(item).__name__


def _gain(values, shape):
    """By the number of inputs; see `LayerFacts`."""
    inputs, outputs = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
    with np.errstate(all="ignore"):  # weights of a run that diverged
        gain, xavier = (float(values.std() * n**0.5) for n in (inputs, (inputs + outputs) / 2))
    return max(gain, min(xavier, 1.0))


def kernel_of(layer):
    """The weight with which a layer multiplies its input, or None."""
    own = getattr(layer, "cell", layer)
    own = getattr(own, "layer", own) if isinstance(own, keras.layers.Wrapper) else own
    for name in ("kernel", "pointwise_kernel"):
        weight = getattr(own, name, None)
        if weight is not None and hasattr(weight, "shape") and len(weight.shape) >= 2:
            return weight
    return None


def _part_of(kernel):
    """A bounded part of a kernel on the host: all inputs of few units."""
    value = kernel.value
    inputs = int(np.prod(kernel.shape[:-1]))
    units = max(2, min(int(kernel.shape[-1]), _MOST_LOOKED_AT // max(inputs, 1)))
    return keras.ops.convert_to_numpy(value[..., :units]).astype("float32")


def identical_units(kernel):
    """Whether all units have the same weights."""
    values = _part_of(kernel)
    if values.shape[-1] < 2:
        return False
    return bool(np.all(values == values[..., :1]))


def as_float(value):
    """A setting as a number; 0 where it is none, as a schedule may be."""
    try:
        return float(keras.ops.convert_to_numpy(value))
    except (TypeError, ValueError):
        return 0.0
