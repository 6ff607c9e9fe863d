"""Tries a remedy on a copy of a model, in a short run."""

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.diagnosis import (
    Evidence,
    as_taken,
    batch_size_of,
    compile_like,
    copy_of,
    label_facts,
    model_facts,
    optimizer_like,
    with_predictions,
)
from keras_dlnotes.initializers import He, Xavier, initialize
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.numerics.kernel_ridge import standardized

_MOST_STEPS = 300
_BATCH_SIZE = 32
_MOST_WORDS = 300  # characters of an error's text
_INITIALIZERS = {"he": He, "xavier": Xavier}
_OF_LAYERS = ("activation", "hidden_activation", "without_penalties")


def replay(model, sample, findings, steps):
    """Trains copies of a model from fresh weights on a sample, without and with each remedy.

    The model itself, its weights and its optimizer stay as they are. Each finding whose remedy can
    be applied gets as `verified` a dict with the skills `"before"` and `"after"` (0: the best
    constant, 1: perfect), the number of `"steps"` and a `"sentence"`, or as `not_tried` the reason
    why there is none.

    Args:
        model: a compiled model.
        sample: list of input arrays, and list of target arrays, one an output; None without.
        findings: list of `Finding`.
        steps: how many steps the run took; at most 300 of them are replayed.
    """
    tried = [finding for finding in findings if finding.fix]
    if not tried:
        return
    before, problem = _attempt(model, sample, {}, steps)
    for finding in tried:
        after = None
        finding.not_tried = problem
        if problem is None:
            after, finding.not_tried = _attempt(model, sample, finding.fix, steps)
        if before is None or after is None:
            continue
        count = min(steps, _MOST_STEPS)
        sentence = (
            f"skill {before:.2f} without and {after:.2f} with the remedy "
            f"(0: constant, 1: perfect) after {count} steps"
        )
        if "epochs" in finding.fix:
            sentence += f", {finding.fix['epochs']} times as many with it"
        finding.verified = {
            "before": before,
            "after": after,
            "steps": count,
            "sentence": sentence,
        }


def _attempt(model, sample, fix, steps):
    """Skill of a copy on the sample after training, or None and why it cannot be had."""
    if sample is None:
        return None, "no examples of the run are known"
    if active.processes.keeps_logs_apart():
        return None, "the train step may wait for the other processes, which train no copy"
    inputs, (targets, *others) = sample
    if others:
        return None, "no one skill says how several outputs have done"
    try:
        skill = _skill_of_copy(model, inputs, targets, fix, steps)
    except Exception as error:  # of the user's own classes, or of a remedy that does not fit
        return None, f"{type(error).__name__}: {error}"[:_MOST_WORDS]
    if skill is None:
        return None, "its predictions cannot be compared with the targets"
    return max(skill.best, -1.0), None


def _skill_of_copy(model, inputs, targets, fix, steps):
    if fix.get("standardize"):
        inputs = [standardized(p.reshape(len(p), -1)).reshape(p.shape) for p in inputs]
    if fix.get("standardize_targets"):
        targets = standardized(targets.reshape(len(targets), -1)).reshape(targets.shape)
    x = as_taken(model, inputs)
    prescribed = batch_size_of(model)
    batch = prescribed or _BATCH_SIZE
    if prescribed:  # only whole batches
        whole = len(targets) // batch * batch
        targets, x = targets[:whole], keras.tree.map_structure(lambda part: part[:whole], x)
    copy = _copy(model, keras.tree.map_structure(lambda part: part[: prescribed or 2], x), fix)
    changes = {"loss": fix["loss"]} if "loss" in fix else {}
    compile_like(
        copy, model, _optimizer(model, fix), metrics=None, weighted_metrics=None, **changes
    )
    # As many passes as make the steps; a fit of whole epochs needs no repeated data set.
    rounds = max(1, round(min(steps, _MOST_STEPS) * batch / len(targets)))
    rounds *= fix.get("epochs", 1)
    copy.fit(x, targets, batch_size=batch, epochs=rounds, verbose=0)
    predictions = copy.predict(x, batch_size=prescribed or 256, verbose=0)
    if not isinstance(predictions, np.ndarray):
        return None
    facts = model_facts(copy)
    evidence = Evidence(model=facts, labels=label_facts(targets, facts.loss))
    return with_predictions(evidence, targets, predictions).skill


def _copy(model, inputs, fix):
    facts = model_facts(model)
    hidden = {layer.name for layer in facts.hidden if not layer.recurrent}
    asked = []  # for the configurations of which layers

    def changed(layer, config):
        asked.append(layer)
        if layer.name == facts.output_layer and "activation" in fix and "activation" in config:
            config["activation"] = fix["activation"]
        if layer.name in hidden and "hidden_activation" in fix and "activation" in config:
            config["activation"] = fix["hidden_activation"]
        if fix.get("without_penalties"):
            config |= {name: None for name in config if name.endswith("_regularizer")}
            if "rate" in config and "Dropout" in type(layer).__name__:
                config["rate"] = min(config["rate"], 0.3)
        return config

    copy = copy_of(model, inputs, changed, weights=False)
    if not asked and any(name in fix for name in _OF_LAYERS):
        raise ValueError(f"class {type(model).__name__} makes its layers itself")
    if "initializer" in fix:
        initialize(copy, _INITIALIZERS[fix["initializer"]]())
    return copy


def _optimizer(model, fix):
    if "optimizer" in fix:
        return keras.optimizers.get(fix["optimizer"])
    changes = {"learning_rate": fix["learning_rate"]} if "learning_rate" in fix else {}
    return optimizer_like(inner_optimizer(model), **changes)
