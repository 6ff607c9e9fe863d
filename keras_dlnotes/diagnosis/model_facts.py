"""Reads what a compiled model's configuration says."""

from dataclasses import replace

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.diagnosis.compiled_facts import (
    clipping_of,
    ignored_label,
    loss_of,
    loss_reduction,
    metric_names,
    output_count,
    scales_loss,
    takes_exact_shapes,
)
from keras_dlnotes.diagnosis.facts import ModelFacts
from keras_dlnotes.diagnosis.layer_facts import (
    as_float,
    identical_units,
    kernel_of,
    layer_facts,
)
from keras_dlnotes.diagnosis.layer_paths import LayerPaths
from keras_dlnotes.instrumentation import (
    OWN_FUNCTION,
    VariableNames,
    activation_of,
    find_watched_layers,
    inner_optimizer,
)

_NORMALIZING = (
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "Normalization",
    "RMSNormalization",
    "Rescaling",
    "UnitNormalization",
)
# They change the shape of an output, or drop some of it, but not what kind of number it is.
_PASSING_ON = (
    "ActivityRegularization",
    "Dropout",
    "Flatten",
    "Identity",
    "Permute",
    "Reshape",
    "Squeeze",
)
_PROBABILITIES = ("softmax", "sigmoid")
_UNKNOWN = (None, OWN_FUNCTION)
_RATES = 40  # of a schedule that are looked at


def model_facts(model: keras.Model, output: int = 0) -> ModelFacts:
    """Inspects a compiled and built model.

    Args:
        model: the model.
        output: number of the output that is meant, of a model with several.

    Returns:
        `ModelFacts`.
    """
    watched = find_watched_layers(model)
    count = output_count(model)
    lasts = [_output_layer(model, place) for place in range(count)]
    last = lasts[output]
    names = {id(w.layer): w.name for w in watched}
    variable_names = VariableNames(model)
    paths = LayerPaths(model)
    layers = [
        layer_facts(w, any(w.layer is item for item in lasts), variable_names, paths)
        for w in watched
    ]
    _mark_output_kernel(layers)
    loss, from_logits = loss_of(model, output)
    optimizer = inner_optimizer(model)
    return ModelFacts(
        layers=layers,
        output_activation=_output_activation(last),
        output_layer=names.get(id(last)),
        squashed_before=_squashed_before(last),
        outputs=count,
        output_shape=_output_shape(model, output),
        loss=loss,
        from_logits=from_logits,
        ignored_label=ignored_label(model, output),
        exact_shapes=takes_exact_shapes(model, output),
        metrics=metric_names(model, output),
        optimizer=_known_class(optimizer).__name__.lower(),
        optimizer_name=_name_of_class(type(optimizer)),
        learning_rate=learning_rate_of(model) if _takes_learning_rate(optimizer) else None,
        momentum=as_float(getattr(optimizer, "momentum", 0.0)),
        trainable_weights=sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        normalizes_inputs=_normalizes_inputs(watched),
        half_precision=any(w.layer.compute_dtype == "float16" for w in watched),
        loss_scaling=scales_loss(model.optimizer),
        loss_reduction=loss_reduction(model, output),
        clipping=clipping_of(optimizer),
        weight_decay=as_float(getattr(optimizer, "weight_decay", 0.0)),
        only_layers=_only_layers(model),
        takes_tokens=any(w.layer.__class__.__name__ == "Embedding" for w in watched[:3]),
    )


def _known_class(optimizer):
    """The first class of Keras's or of this package among those an optimizer is made from."""
    own = type(optimizer)
    return next((kind for kind in own.__mro__ if _name_of_class(kind) != kind.__name__), own)


def _name_of_class(cls):
    if internals.keras_itself.defines(cls):
        return f"keras.optimizers.{cls.__name__}"
    if cls.__module__.startswith("keras_dlnotes."):
        return f"kd.optimizers.{cls.__name__}"
    return cls.__name__


def _takes_learning_rate(optimizer):
    """Not so a second-order one, which searches for the length of its step."""
    try:
        return "learning_rate" in optimizer.get_config()
    except Exception:  # one of the user's own may have no configuration
        return True


def learning_rate_of(model: keras.Model) -> float | None:
    """The optimizer's learning rate now; None without an optimizer."""
    if model.optimizer is None:
        return None
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def learning_rates_to_come(
    model: keras.Model, taken: int, planned: int
) -> tuple[tuple[int, float], ...]:
    """What the optimizer's schedule gives over a run, as pairs of steps taken and learning rate.

    Args:
        model: a model in `fit`.
        taken: steps of the run that were taken.
        planned: steps of the whole run.

    Returns:
        Tuple of pairs; empty without a schedule.
    """
    optimizer = inner_optimizer(model)
    schedule = internals.given_learning_rate.of(optimizer, None)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return ()
    first = int(keras.ops.convert_to_numpy(optimizer.iterations)) - taken
    steps = np.unique(np.linspace(0, planned, _RATES).astype(int))
    rates = (schedule(keras.ops.convert_to_tensor(first + step, "int32")) for step in steps)
    return tuple(
        (int(step), float(keras.ops.convert_to_numpy(rate)))
        for step, rate in zip(steps, rates, strict=True)
    )


def symmetric_layers(model: keras.Model) -> tuple[str, ...]:
    """Names of the layers all of whose units have the same weights."""
    return tuple(
        w.name
        for w in find_watched_layers(model)
        if (kernel := kernel_of(w.layer)) is not None and identical_units(kernel)
    )


def _mark_output_kernel(layers):
    """The last kernel counts as the output's, also where an activation layer follows it."""
    if any(layer.is_output and layer.has_kernel for layer in layers):
        return
    kernels = [i for i, layer in enumerate(layers) if layer.has_kernel]
    if kernels:
        layers[kernels[-1]] = replace(layers[kernels[-1]], is_output=True)


def _output_layer(model, output=0):
    if isinstance(model, keras.Sequential):
        return model.layers[-1] if model.layers else None
    outputs = getattr(model, "outputs", None) or []
    history = internals.history_of_tensor.of(outputs[output], None) if outputs else None
    if history is not None:
        operation = history.operation
        if isinstance(operation, keras.Model):
            return _output_layer(operation)
        return operation
    return None  # a class of the user's own: it shows only when it is called


def with_output_layer(
    facts: ModelFacts, model: keras.Model, layer: keras.Layer | None
) -> ModelFacts:
    """The facts of a model of the user's own class, of which a call showed the output's layer."""
    if facts.output_layer is not None or layer is None:
        return facts
    names = {id(w.layer): w.name for w in find_watched_layers(model)}
    activation = _output_activation(layer)
    return replace(facts, output_layer=names.get(id(layer)), output_activation=activation)


def _output_activation(last):
    """The activation of the last operation that makes new numbers; None if it is unknown."""
    return _last_activation(last)[0]


def _squashed_before(last):
    """The softmax or sigmoid right before the one of the output, or None."""
    activation, operation = _last_activation(last)
    if activation not in _PROBABILITIES or kernel_of(operation) is not None:
        return None
    before, _ = _last_activation(_before(operation))
    return before if before in _PROBABILITIES else None


def _last_activation(operation):
    """Name of an activation, None if it is unknown, and the operation that applies it."""
    for _ in range(20):
        if isinstance(operation, keras.Sequential | keras.Model):
            operation = _output_layer(operation)
        if operation is None:
            break
        if isinstance(operation, keras.layers.TimeDistributed):
            operation = operation.layer
        activation = activation_of(operation)
        kind = type(operation).__name__
        if activation == OWN_FUNCTION:
            break
        if activation is not None and (activation != "linear" or kind == "Dense"):
            return activation, operation
        if kernel_of(operation) is not None:
            return activation, operation
        if activation is None and kind not in _PASSING_ON:
            break
        operation = _before(operation)  # it hands on the numbers that it is given
    return None, None


def _output_shape(model, output):
    outputs = getattr(model, "outputs", None) or []
    shape = tuple(outputs[output].shape[1:]) if outputs else ()
    return () if None in shape else shape


def _only_layers(model):
    operations = getattr(model, "operations", None)  # those of a functional model
    if isinstance(model, keras.Sequential):
        operations = model.layers
    return operations is not None and all(
        isinstance(item, keras.Layer)
        and not (isinstance(item, keras.layers.Lambda) and activation_of(item) in _UNKNOWN)
        for item in operations
    )


def _before(operation):
    nodes = internals.inbound_nodes.of(operation, [])
    if not nodes or not nodes[0].input_tensors:
        return None
    history = internals.history_of_tensor.of(nodes[-1].input_tensors[0], None)
    return history.operation if history is not None else None


def _normalizes_inputs(watched):
    for w in watched:
        if type(w.layer).__name__ in (*_NORMALIZING, "Embedding"):
            return True
        if kernel_of(w.layer) is not None:
            return False
    return False
