"""Checks a model, its compilation and its data before any training."""

from dataclasses import replace

import numpy as np

from keras_dlnotes.callbacks.diagnosis import Diagnosis
from keras_dlnotes.callbacks.replay import replay
from keras_dlnotes.diagnosis import (
    CannotCopyError,
    Evidence,
    Finding,
    Findings,
    batch_size_of,
    compile_like,
    copy_of,
    described,
    findings_of,
    flat_inputs,
    label_facts,
    looked_at,
    loss_gets_targets,
    metrics_kept,
    model_facts,
    sample_of,
)
from keras_dlnotes.measures import Skill

_SMALL_BATCH = 32
_STEPS = 200
# A loss that falls by this share of its start, and by this share of its fall in the last quarter,
# has not come to rest.
_LEAST_FALL = 0.05
_LATE_FALL = 0.1
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


def diagnose(model, x, y=None, verify=False) -> list[Finding]:
    r"""Says in seconds what is wrong with a model and its data, before it is trained.

    When to use it: once, between `compile` and the first long `fit`. It looks at the data, the
    output layer and the loss, the initialization and the gradients, and tries what every network
    has to be able to do: learn one small batch by heart. A copy does the training; the model's
    weights and optimizer stay as they are. Labels that do not go with the loss are told before
    anything is trained, and an error that the training raises is a finding too.

    With the skill \(R = 1 - \sum \|t - p\|^2 / \sum \|t - \bar t\|^2\) of the predictions \(p\)
    for the batch's targets \(t\), a copy that reaches less than 0.3 after 200 steps has failed,
    unless its loss is still falling.

    Args:
        model: a compiled Keras model with one output. Losses, metrics, schedules and functions in
            layers may be of any kind; the copy is given the very same.
        x: inputs: an array (NumPy, pandas, a tensor), or a list or dict of arrays; or a dataset of
            batches `(x, y)`: a `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`,
            a generator (which loses up to 64 batches).
        y: targets: an array; None for a dataset.
        verify: also try each remedy in a short run on another copy.

    Returns:
        List of `Finding`, the most likely cause first; empty where nothing was found. It prints
        as a report, which then says what was looked at.

    Raises:
        ValueError: if the model is not compiled, has several outputs or cannot be copied, or x and
            y are no arrays of one length.

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
    sample = sample_of(x, y)
    copy, refused = None, None
    try:
        copy = copy_of(model, sample.part(slice(batch_size_of(model) or 2))[0])
        compile_like(copy, model)
    except CannotCopyError as error:
        refused, copy = error, None
    except Exception as error:  # the model cannot be called on the data
        return _told(_known(model, model, sample, described(error)))
    known = _known(model, copy or model, sample)
    sure = known if loss_gets_targets(model) else replace(known, labels=None)
    if findings_of(sure, before_training=True):
        return _told(sure)
    if refused is not None:
        raise ValueError(
            "`diagnose` trains a copy of the model. Expected one that can be copied. Received: "
            f"{refused} Give the class a `get_config` that holds all of its arguments, or pass "
            "kd.callbacks.Diagnosis() to `fit`."
        ) from refused.__cause__
    with metrics_kept(model):
        evidence = _after_training(copy, sample, known)
    findings = findings_of(evidence)
    told, too_short = looked_at([evidence]), _needs_longer(evidence)
    if too_short and evidence.outcome != "learned":
        told += f" The loss was still falling after {_STEPS} steps on one small batch: whether the "
        told += "model learns it is not known. Pass kd.callbacks.Diagnosis() to a longer `fit`."
    if evidence.outcome not in ("failed", "flat") or too_short:
        findings = [finding for finding in findings if finding.confidence >= 0.85]
    findings = [finding for finding in findings if finding.cause not in _NOT_TOLD]
    if verify:
        silent = lambda: Diagnosis(verbose=False)  # noqa: E731
        replay(model, (sample.leaves, [sample.targets]), findings, _STEPS, silent)
    return Findings(findings, told)


def _told(evidence):
    return Findings(findings_of(evidence), looked_at([evidence]))


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


def _known(model, copy, sample, error=None):
    """`Evidence` of the configuration and the data, before any training.

    Args:
        model: the model.
        copy: a copy of it that is built; the model itself where there is none.
        sample: `DataSample`.
        error: type and text of the error that a call of the model raised, or None.
    """
    facts = model_facts(copy)
    shape = facts.output_shape
    if not shape and copy is not model:  # of a class of the user's own
        outputs = copy(sample.part(slice(batch_size_of(model) or 2))[0], training=False)
        shape = tuple(outputs.shape[1:]) if hasattr(outputs, "shape") else ()
    text = any(
        getattr(part, "dtype", None) == "string" for part in getattr(model, "inputs", None) or ()
    )
    evidence = Evidence(
        model=facts,
        prediction_shape=shape,
        finished=False,
        non_finite_inputs=sample.non_finite_inputs,
        non_finite_targets=sample.non_finite_targets,
        non_numeric=tuple(
            (name, dtype) for name, dtype in sample.non_numeric if name == "targets" or not text
        ),
        error=error,
    )
    unknown = {name for name, _ in sample.non_numeric}
    if "inputs" not in unknown:
        evidence = replace(evidence, inputs=flat_inputs(sample.leaves))
    if "targets" not in unknown:
        evidence = replace(
            evidence,
            labels=label_facts(sample.targets, facts.loss),
            missing_classes=_missing_classes(sample.all_targets),
        )
    return evidence


def _missing_classes(targets):
    """How many classes have no example; 0 where not all targets were seen."""
    if targets is None:
        return 0
    facts = label_facts(targets)
    if facts.kind == "one_hot":
        return int(np.sum(~targets.reshape(-1, targets.shape[-1]).any(axis=0)))
    return int(facts.high - facts.low + 1 - facts.classes) if facts.numbered_classes else 0


def _after_training(copy, sample, known):
    """`Evidence` of a copy that trained on one small batch, and of all of the sample's data."""
    chosen = _varied(sample.targets, batch_size_of(copy) or _SMALL_BATCH)
    x, y = sample.part(chosen)
    diagnosis = Diagnosis(verbose=False)
    error = None
    try:
        copy.fit(x, y, batch_size=len(chosen), epochs=_STEPS, verbose=0, callbacks=[diagnosis])
    except Exception as raised:
        error = described(raised)
    evidence = diagnosis.evidence[0] if diagnosis.evidence else known
    accuracy = evidence.skill is not None and evidence.skill.accuracy is not None
    return replace(
        evidence,
        # The run was on one batch: it has to be learned by heart.
        reference=Skill(1.0, 1.0 if accuracy else None),
        inputs=known.inputs,
        labels=known.labels,
        prediction_shape=evidence.prediction_shape or known.prediction_shape,
        non_finite_inputs=known.non_finite_inputs,
        non_finite_targets=known.non_finite_targets,
        missing_classes=known.missing_classes,
        error=error,
    )


def _needs_longer(evidence):
    """Whether the loss was still on its way down when the small run ended."""
    losses = evidence.losses
    fell = len(losses) > 1 and losses[0] - losses[-1] > _LEAST_FALL * abs(losses[0])
    return fell and evidence.still_falling > _LATE_FALL


def _varied(targets, size):
    """Places of a small batch in which the targets differ as much as they do in the sample."""
    keys = np.zeros(len(targets))
    if targets.dtype.kind in "fiub":
        flat = targets.reshape(len(targets), -1)
        keys = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0]
    order = np.argsort(keys, kind="stable")
    return order[np.linspace(0, len(order) - 1, min(size, len(targets))).astype(int)]
