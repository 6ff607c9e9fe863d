"""Checks a model, its compilation and its data before any training."""

import keras
import numpy as np

from keras_dlnotes.callbacks.diagnosis import Diagnosis
from keras_dlnotes.callbacks.replay import replay
from keras_dlnotes.diagnosis import (
    Finding,
    Findings,
    findings_of,
    flat_inputs,
    label_facts,
    looked_at,
)
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.measures import Skill

_SMALL_BATCH = 32
_STEPS = 200
_MOST_EXAMPLES = 512
# What a run of 200 steps on one batch cannot tell of a run on all of the data.
_NOT_TOLD = (
    "batch_size_too_large",
    "batch_size_too_small",
    "labels_unrelated_to_inputs",
    "model_too_small",
    "overfitting",
    "too_few_epochs",
    "underfitting",
    "unshuffled_data",
)


def diagnose(model, x, y, verify=False) -> list[Finding]:
    r"""Says in seconds what is wrong with a model and its data, before it is trained.

    When to use it: once, between `compile` and the first long `fit`. It looks at the data, the
    output layer and the loss, the initialization and the gradients, and tries what every network
    has to be able to do: learn one small batch by heart. A copy does the training; the model's
    weights and optimizer stay as they are.

    With the skill \(R = 1 - \sum \|t - p\|^2 / \sum \|t - \bar t\|^2\) of the predictions \(p\)
    for the batch's targets \(t\), a copy that reaches less than 0.3 after 200 steps has failed.

    Args:
        model: a compiled Keras model that `keras.models.clone_model` can copy.
        x: inputs: an array, or a list of arrays for several inputs.
        y: targets: an array.
        verify: also try each remedy in a short run on another copy.

    Returns:
        List of `Finding`, the most likely cause first; empty where nothing was found. It prints
        as a report, which then says what was looked at.

    Raises:
        ValueError: if the model is not compiled or cannot be copied, or x and y are no arrays of
            numbers of one length.

    Example:
    ```python
    import keras, numpy as np
    import keras_dlnotes as kd

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "sigmoid")])
    model.compile("adam", "categorical_crossentropy")
    x = np.random.normal(size=(90, 4))
    y = keras.utils.to_categorical(np.arange(90) % 3)
    findings = kd.diagnose(model, x, y)
    assert findings[0].cause == "loss_does_not_fit_output"
    ```

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 11.5: fit a tiny
    data set.
    """
    _check_model(model)
    several = isinstance(x, list | tuple) and all(hasattr(part, "shape") for part in x)
    inputs = [np.asarray(part) for part in (x if several else [x])]
    targets = np.asarray(y)
    _check_arrays(inputs, targets)
    everything = _facts_of_all(inputs, targets)
    inputs, targets = _sample(inputs, targets)
    copy = _trained_copy(model, inputs, targets)
    (evidence,) = copy.evidence
    # The run was on one batch: it has to be learned by heart, and the data are the whole sample's.
    evidence.reference = Skill(1.0, 1.0 if evidence.skill and evidence.skill.accuracy else None)
    evidence.inputs = flat_inputs(inputs)
    evidence.labels = label_facts(targets, evidence.model.loss)
    evidence.non_finite_inputs, evidence.non_finite_targets, evidence.missing_classes = everything
    findings = findings_of(evidence)
    if evidence.outcome not in ("failed", "flat"):
        findings = [finding for finding in findings if finding.confidence >= 0.85]
    findings = [finding for finding in findings if finding.cause not in _NOT_TOLD]
    if verify:
        results = replay(model, (inputs, [targets]), [f.fix for f in findings], _STEPS)
        for finding, result in zip(findings, results, strict=True):
            finding.verified = result
    return Findings(findings, looked_at([evidence]))


def _check_model(model):
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`diagnose` looks at the loss and the optimizer. Expected a compiled model. Received: "
            f"{model.name!r}, which is not. Call `model.compile(...)` first."
        )
    outputs = len(getattr(model, "outputs", None) or [None])
    if outputs > 1:
        raise ValueError(
            f"`diagnose` takes models with one output. Received: {model.name!r} with {outputs}. "
            "Pass kd.callbacks.Diagnosis() to `fit` instead."
        )


def _check_arrays(inputs, targets):
    for array in [*inputs, targets]:
        if array.ndim == 0 or array.dtype.kind not in "fiub":
            raise ValueError(
                "`x` and `y` must be arrays of numbers, one row an example. Received an object of "
                f"type {array.dtype} and shape {array.shape}. Encode words as numbers, or pass "
                "kd.callbacks.Diagnosis() to `fit`, which takes what `fit` takes."
            )
    lengths = [len(part) for part in inputs] + [len(targets)]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "`x` and `y` must have one row an example, and as many of them. Received lengths: "
            f"{lengths}."
        )


def _facts_of_all(inputs, targets):
    """Counts over all of the data of what must not occur even once."""
    floats = [part for part in inputs if part.dtype.kind == "f"]
    bad_inputs = sum(int(np.sum(~np.isfinite(part))) for part in floats)
    bad_targets = int(np.sum(~np.isfinite(targets))) if targets.dtype.kind == "f" else 0
    facts = label_facts(targets)
    missing = 0
    if facts.kind == "one_hot":
        missing = int(np.sum(~targets.reshape(-1, targets.shape[-1]).any(axis=0)))
    elif facts.numbered_classes:
        missing = int(facts.high - facts.low + 1 - facts.classes)
    return bad_inputs, bad_targets, missing


def _sample(inputs, targets):
    places = np.arange(len(targets))
    if len(targets) > _MOST_EXAMPLES:
        places = np.sort(np.random.default_rng(0).choice(len(targets), _MOST_EXAMPLES, False))
    return [part[places] for part in inputs], targets[places]


def _trained_copy(model, inputs, targets):
    """The diagnosis of a copy that trained on one small batch."""
    if not model.built:
        model(inputs[0][:1] if len(inputs) == 1 else [part[:1] for part in inputs])
    try:
        copy = keras.models.clone_model(model)
    except Exception as error:
        raise ValueError(
            f"`diagnose` trains a copy of the model. Expected one that can be copied. Received: "
            f"{model.name!r}, of class {type(model).__name__}, which cannot. Give the class a "
            "`get_config`, or pass kd.callbacks.Diagnosis() to `fit`."
        ) from error
    copy.set_weights(model.get_weights())
    for ours, theirs in zip(copy.layers, model.layers, strict=True):
        ours.trainable = theirs.trainable
    optimizer = inner_optimizer(model)
    metrics = getattr(model._compile_metrics, "_user_metrics", None)
    copy.compile(type(optimizer).from_config(optimizer.get_config()), model.loss, metrics=metrics)
    chosen = _varied(targets)
    x = [part[chosen] for part in inputs]
    diagnosis = Diagnosis(verbose=False)
    copy.fit(
        x[0] if len(x) == 1 else x,
        targets[chosen],
        batch_size=len(chosen),
        epochs=_STEPS,
        verbose=0,
        callbacks=[diagnosis],
    )
    return diagnosis


def _varied(targets):
    """Places of a small batch in which the targets differ as much as they do in the sample."""
    flat = targets.reshape(len(targets), -1)
    keys = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0]
    order = np.argsort(keys, kind="stable")
    count = min(_SMALL_BATCH, len(targets))
    return order[np.linspace(0, len(order) - 1, count).astype(int)]
