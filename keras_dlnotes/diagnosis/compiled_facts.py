"""Reads what `compile` was told of one output."""

import functools
from typing import Any

import keras

from keras_dlnotes.backend import internals


def output_count(model):
    """Number of outputs; 1 where it shows only when the model is called."""
    return len(getattr(model, "outputs", None) or [None])


def _of_output(model, structure, output):
    """What a list or dict over the outputs holds for one of them; anything else as it is."""
    names = getattr(model, "output_names", None) or ()
    if isinstance(structure, dict):
        name = names[output] if output < len(names) else None
        lone = (
            next(iter(structure.values())) if len(structure) == 1 == output_count(model) else None
        )
        return structure.get(name, lone)
    if isinstance(structure, list | tuple) and len(structure) == output_count(model):
        return structure[output]
    return structure


def loss_of(model, output):
    """The loss's name as a function of `keras.losses`, and whether it expects logits."""
    loss = _of_output(model, getattr(model, "loss", None), output)
    if loss is None or isinstance(loss, list | tuple | dict):
        return None, False
    if isinstance(loss, str | type):
        try:
            loss = keras.losses.get(loss)
        except (TypeError, ValueError):
            return None, False
    arguments = internals.loss_arguments.of(loss, {})
    function: Any = getattr(loss, "fn", loss)
    if isinstance(function, functools.partial):
        function, arguments = function.func, arguments | function.keywords
    from_logits = getattr(loss, "from_logits", None)
    if from_logits is None:
        from_logits = arguments.get("from_logits", False)
    name = getattr(function, "__name__", "")
    known = getattr(keras.losses, name, None) is function
    if isinstance(loss, keras.losses.Loss):  # a subclass may compute something else
        known &= internals.keras_itself.defines(type(loss).call)
    return (name if known else None), bool(from_logits)


def loss_reduction(model, output):
    """How the losses of a batch are made one, such as "sum"; None if that is not known."""
    loss = _of_output(model, getattr(model, "loss", None), output)
    return getattr(loss, "reduction", None) if isinstance(loss, keras.losses.Loss) else None


def clipping_of(optimizer):
    """Name and value of the limit of the gradients; None without."""
    for name in ("clipnorm", "global_clipnorm", "clipvalue"):
        value = getattr(optimizer, name, None)
        if isinstance(value, int | float) and value > 0:
            return name, float(value)
    return None


def scales_loss(optimizer):
    """Whether it multiplies the loss by a factor that the gradients are divided by."""
    own = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return own or getattr(optimizer, "loss_scale_factor", None) is not None


def optimizer_status(model):
    """What a second-order optimizer says of itself; None of another one."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    status = getattr(optimizer, "status", None)
    return status if isinstance(status, str) else None


def loss_gets_targets(model: keras.Model) -> bool:
    """Whether the loss is surely given the targets, which a step of the user's own may change."""
    kind = type(model)
    plain = (keras.Model.train_step, keras.Model.compute_loss)
    return (kind.train_step, kind.compute_loss) == plain


def ignored_label(model, output):
    """The class number that the loss leaves out, such as that of unlabelled pixels; or None."""
    loss = _of_output(model, getattr(model, "loss", None), output)
    return getattr(loss, "ignore_class", None)


def takes_exact_shapes(model, output):
    """Whether the loss is a class of the user's own, which no function of Keras's reshapes for."""
    loss = _of_output(model, getattr(model, "loss", None), output)
    return isinstance(loss, keras.losses.Loss) and not hasattr(loss, "fn")


def metric_names(model, output):
    """Names of the metrics of one output."""
    compiled = internals.compile_metrics.of(model, None)
    given = [
        internals.user_metrics.of(compiled, None),
        internals.user_weighted_metrics.of(compiled, None),
    ]
    if output_count(model) > 1:
        given = [_of_output(model, structure, output) for structure in given]
    items = keras.tree.flatten(given)
    names = []
    for item in items:
        if item is None:
            continue
        name = getattr(item, "__name__", None) or getattr(item, "name", None) or str(item)
        names.append(name)
    return [{"acc": "accuracy"}.get(name, name) for name in names]
