"""The code that makes a repaired run."""

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.instrumentation.compiled_settings import settings_of_compile
from keras_dlnotes.remedies.draft import Draft
from keras_dlnotes.remedies.table import REMEDIES

# What a literal in Python may be.
_PLAIN = (bool, int, float, str, type(None))


def snippet(draft: Draft, settings: dict, model: keras.Model, given: keras.Model, fit: dict) -> str:
    """Lines that change `model`, `x` and `y`, compile and train.

    Args:
        draft: the repaired run.
        settings: dict from the names of its remedies to their settings.
        model: the repaired model, compiled.
        given: the model as it was given.
        fit: arguments of `fit`.
    """
    facts = draft.facts
    lines = [
        line
        for remedy in REMEDIES
        if remedy.name in settings
        for line in _code(remedy, facts, settings[remedy.name], given)
    ]
    optimizer, loss = _constructor(inner_optimizer(model)), _loss(draft, model)
    kept = []  # of the model as it was given, before the lines replace it
    if optimizer is None:
        kept.append("optimizer = type(model.optimizer).from_config(model.optimizer.get_config())")
    if loss is None:
        kept.append("loss = model.loss")
    steps = given.optimizer.iterations
    if int(keras.ops.convert_to_numpy(steps)) > 0:
        kept.append("# The runs started from fresh weights, but for frozen layers.")
        if all(layer.trainable for layer in internals.flatten_layers(given)):
            kept.append("model = keras.models.clone_model(model)")
    lines = kept + lines
    arguments = f"optimizer={optimizer or 'optimizer'}, loss={loss or 'loss'}"
    metrics = _metrics(draft, model)
    if metrics is not None:
        arguments += f", metrics={metrics}"
    lines.append(f"model.compile({arguments})")
    shown = {name: repr(value) for name, value in fit.items() if (name, value) != ("shuffle", True)}
    if draft.stops_early:
        (stop,) = fit["callbacks"]
        shown["callbacks"] = "[stop]"
        lines.append(
            f"stop = keras.callbacks.EarlyStopping(patience={stop.patience}, "
            "restore_best_weights=True)"
        )
    lines.append(f"model.fit(x, y, {', '.join(f'{k}={v}' for k, v in shown.items())})")
    imports = ["import keras"]
    imports += [
        f"import {module}"
        for name, module in (("kd.", "keras_dlnotes as kd"), ("np.", "numpy as np"))
        if any(name in line for line in lines)
    ]
    return "\n".join([*imports, "", *lines])


def _code(remedy, facts, setting, given):
    several = len(getattr(given, "inputs", None) or ()) > 1
    if remedy.name != "standardize" or not several:
        return remedy.code(facts, setting)
    return [
        "# `x` as a list in the order of `model.inputs`.",
        "inputs = [keras.Input(part.shape[1:]) for part in x]",
        "layers = [keras.layers.Normalization() for part in x]",
        "for layer, part in zip(layers, x):",
        "    layer.adapt(part)",
        "scaled = [layer(tensor) for layer, tensor in zip(layers, inputs)]",
        "model = keras.Model(inputs, model(scaled))",
    ]


def _loss(draft, model):
    if "loss" in draft.compiled or isinstance(model.loss, str):
        return repr(draft.compiled.get("loss", model.loss)).replace("'", '"')
    return None


def _metrics(draft, model):
    metrics = draft.compiled.get("metrics", settings_of_compile(model).get("metrics"))
    plain = isinstance(metrics, list) and all(isinstance(m, str) for m in metrics)
    return repr(metrics).replace("'", '"') if plain else None


def _constructor(optimizer):
    """The call that makes an optimizer, with the settings that are not its class's defaults.

    None for a class of the user's own, or a setting that is an object.
    """
    kind = type(optimizer)
    if internals.keras_itself.defines(kind):
        name = f"keras.optimizers.{kind.__name__}"
    elif kind.__module__.startswith("keras_dlnotes."):
        name = f"kd.optimizers.{kind.__name__}"
    else:
        return None
    try:
        usual = kind().get_config()
    except Exception:  # one that wants arguments
        usual = {}
    config = {
        key: value
        for key, value in optimizer.get_config().items()
        if key != "name" and usual.get(key) != value
    }
    if not all(isinstance(value, _PLAIN) for value in config.values()):
        return None
    return f"{name}({', '.join(f'{key}={_shown(value)}' for key, value in config.items())})"


def _shown(value):
    # A learning rate is kept in float32: 0.0002 would be shown as 0.00019999999494757503.
    return repr(float(f"{value:.6g}")) if isinstance(value, float) else repr(value)
