"""Reads what one layer's configuration and weights say."""

import keras
import numpy as np

from keras_dlnotes.diagnosis.facts import LayerFacts
from keras_dlnotes.instrumentation import activation_of

_MOST_LOOKED_AT = 4096  # numbers of a kernel that are brought to the host


def layer_facts(watched, is_output, names):
    """`LayerFacts` of a watched layer; `names`: the model's `VariableNames`."""
    layer = watched.layer
    kernel = kernel_of(layer)
    inner = getattr(layer, "layer", layer) if isinstance(layer, keras.layers.Wrapper) else layer
    values = None if kernel is None else _part_of(kernel)
    return LayerFacts(
        name=watched.name,
        kind=type(inner).__name__,
        activation=activation_of(inner),
        units=None if kernel is None else int(kernel.shape[-1]),
        has_kernel=kernel is not None,
        trainable=layer.trainable and bool(layer.trainable_weights),
        rate=as_float(getattr(layer, "rate", 0.0)),
        identical_units=kernel is not None and identical_units(kernel),
        is_output=is_output,
        weights_path=None if kernel is None else names(kernel)[1],
        gain=None if values is None else _gain(values, kernel.shape),
        recurrent=hasattr(inner, "cell") or hasattr(inner, "recurrent_activation"),
        penalized=getattr(inner, "kernel_regularizer", None) is not None,
        penalized_outputs=getattr(inner, "activity_regularizer", None) is not None,
        initializer=_class_name(getattr(inner, "kernel_initializer", None)),
    )


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
