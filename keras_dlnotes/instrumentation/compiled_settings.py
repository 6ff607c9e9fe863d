"""Hands over what a model was compiled with, functions and classes of the user's own too."""

import inspect
from typing import Any

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation.model_optimizers import inner_optimizer

_SHARED_SETTINGS = (
    "loss",
    "loss_weights",
    "metrics",
    "weighted_metrics",
    "run_eagerly",
    "jit_compile",
)


def compile_alike(
    copy: keras.Model, model: keras.Model, optimizer: Any = None, **changes: Any
) -> None:
    """Compiles a model with the very loss and metrics of another and an optimizer of its own.

    `compile_from_config` writes the settings down and reads them again, which fails for any
    function or class that is not registered with Keras.

    Args:
        copy: the model to compile.
        model: the compiled model.
        optimizer: the optimizer to use; None for one like the model's.
        **changes: arguments of `compile` that differ.
    """
    known = settings_of_compile(model) or {"loss": model.loss}
    settings = {name: known[name] for name in _SHARED_SETTINGS if name in known}
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    settings |= {"auto_scale_loss": scaled} | changes
    scaled = settings.pop("auto_scale_loss")
    if optimizer is None and model.optimizer is not None:
        optimizer = optimizer_like(inner_optimizer(model))
    if scaled and optimizer is not None:
        # Keras does so by the model's own policy, which a copy of its layers need not have.
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.get(optimizer))
    # Not one of the class's own, which may want arguments that nobody has kept.
    keras.Model.compile(copy, optimizer, auto_scale_loss=False, **settings)


def settings_of_compile(model: keras.Model) -> dict[str, Any]:
    """The arguments that a model was compiled with, as they were given; empty if unknown."""
    return getattr(internals.compile_config.of(model, None), "config", {})


def optimizer_like(optimizer: keras.Optimizer, **changes: Any) -> keras.Optimizer:
    """An optimizer of the same settings without the state; with a learning rate's very schedule.

    Args:
        optimizer: the optimizer.
        **changes: settings that differ.
    """
    rate = internals.given_learning_rate.of(optimizer, None)
    own = callable(rate)
    with patched([(optimizer, internals.given_learning_rate.name, 0.0)] if own else []):
        config = optimizer.get_config()
    if own:
        config["learning_rate"] = rate
    kind = type(optimizer)
    parameters = inspect.signature(kind.__init__).parameters
    # A class that has no `get_config` of its own does not speak of the arguments that it adds.
    config |= {
        name: getattr(optimizer, name)
        for name in parameters
        if name not in config and hasattr(optimizer, name)
    }
    return kind.from_config(known_arguments(kind, config | changes))


def known_arguments(kind: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Without the settings that a class adds to each configuration, if its own has no such."""
    parameters = inspect.signature(kind.__init__).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return config
    return {name: value for name, value in config.items() if name in parameters}
