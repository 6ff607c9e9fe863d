"""Tries a remedy on a copy of a model, in a short run."""

import keras
import numpy as np

from keras_dlnotes.diagnosis import Evidence, judge_predictions, label_facts, model_facts
from keras_dlnotes.initializers import He, Xavier, initialize
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.numerics.kernel_ridge import standardized

_MOST_STEPS = 300
_BATCH_SIZE = 32
_INITIALIZERS = {"he": He, "xavier": Xavier}


def replay(model, sample, fixes, steps):
    """Trains copies of a model from fresh weights on a sample, without and with a remedy.

    The model itself, its weights and its optimizer stay as they are.

    Args:
        model: a compiled model that `keras.models.clone_model` can copy.
        sample: list of input arrays, and list of target arrays, one an output.
        fixes: list of dicts, see `Finding.fix`.
        steps: how many steps the run took; at most 300 of them are replayed.

    Returns:
        A list with, for each fix, a dict with the skills `"before"` and `"after"` (0: the best
        constant, 1: perfect), the number of `"steps"` and a `"sentence"`; None where the remedy
        or the model cannot be copied.
    """
    before = _attempt(model, sample, {}, steps)
    results: list[dict | None] = []
    for fix in fixes:
        after = _attempt(model, sample, fix, steps) if fix else None
        if before is None or after is None:
            results.append(None)
            continue
        count = min(steps, _MOST_STEPS)
        sentence = (
            f"skill {before:.2f} without and {after:.2f} with the remedy "
            f"(0: constant, 1: perfect) after {count} steps"
        )
        if "epochs" in fix:
            sentence += f", {fix['epochs']} times as many with it"
        results.append({"before": before, "after": after, "steps": count, "sentence": sentence})
    return results


def _attempt(model, sample, fix, steps):
    """Skill of a copy on the sample after training; None if it cannot be tried."""
    inputs, (targets, *others) = sample
    if others:
        return None  # no one skill says how several outputs have done
    if fix.get("standardize"):
        inputs = [standardized(p.reshape(len(p), -1)).reshape(p.shape) for p in inputs]
    if fix.get("standardize_targets"):
        targets = standardized(targets.reshape(len(targets), -1)).reshape(targets.shape)
    try:
        copy = _copy(model, fix)
        copy.compile(_optimizer(model, fix), fix.get("loss", model.loss))
        # As many passes as make the steps; a fit of whole epochs needs no repeated data set.
        rounds = max(1, round(min(steps, _MOST_STEPS) * _BATCH_SIZE / len(targets)))
        rounds *= fix.get("epochs", 1)
        x = inputs[0] if len(inputs) == 1 else inputs
        copy.fit(x, targets, batch_size=_BATCH_SIZE, epochs=rounds, verbose=0)
        predictions = copy.predict(x, batch_size=256, verbose=0)
        facts = model_facts(copy)
        evidence = Evidence(model=facts, labels=label_facts(targets, facts.loss))
    except (ValueError, TypeError, NotImplementedError, RuntimeError, ArithmeticError):
        return None  # a model of the user's own class, or a remedy that does not fit it
    if not isinstance(predictions, np.ndarray):
        return None
    judge_predictions(evidence, targets, predictions)
    return None if evidence.skill is None else max(evidence.skill.best, -1.0)


def _copy(model, fix):
    facts = model_facts(model)
    hidden = {layer.name for layer in facts.hidden if not layer.recurrent}

    def changed(layer):
        config = layer.get_config()
        if layer.name == facts.output_layer and "activation" in fix and "activation" in config:
            config["activation"] = fix["activation"]
        if layer.name in hidden and "hidden_activation" in fix and "activation" in config:
            config["activation"] = fix["hidden_activation"]
        if fix.get("without_penalties"):
            config |= {name: None for name in config if name.endswith("_regularizer")}
            if "rate" in config and "Dropout" in type(layer).__name__:
                config["rate"] = min(config["rate"], 0.3)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=changed)
    if "initializer" in fix:
        initialize(copy, _INITIALIZERS[fix["initializer"]]())
    return copy


def _optimizer(model, fix):
    optimizer = inner_optimizer(model)
    if "optimizer" in fix:
        return keras.optimizers.get(fix["optimizer"])
    config = optimizer.get_config()
    if "learning_rate" in fix:
        config["learning_rate"] = fix["learning_rate"]
    return type(optimizer).from_config(config)
