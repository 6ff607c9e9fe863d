"""Checks a model, its compilation and its data before any training."""

import time
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_dlnotes.callbacks.diagnosis import Diagnosis, silent_diagnosis
from keras_dlnotes.diagnosis import (
    CannotCopyError,
    Evidence,
    Findings,
    ModelFacts,
    batch_size_of,
    compile_like,
    copy_of,
    counted,
    described,
    findings_of,
    flat_inputs,
    label_facts,
    leaves_of,
    looked_at,
    loss_gets_targets,
    metrics_kept,
    model_facts,
    sample_of,
    sort_keys,
)
from keras_dlnotes.diagnosis.data_sample import DataSample
from keras_dlnotes.instrumentation.observed_step import in_order_of_outputs
from keras_dlnotes.measures import Skill
from keras_dlnotes.remedies.try_remedies import replay

_SMALL_BATCH = 32
_STEPS = 200
# Of slow steps fewer are taken: after the first ones, which compile, for so many seconds.
_SECONDS = 20.0
_FEWEST_STEPS = 8
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


def diagnose(model: keras.Model, x: Any, y: Any = None, verify: bool = False) -> Findings:
    r"""Says in seconds what is wrong with a model and its data, before it is trained.

    When to use it: once, between `compile` and the first long `fit`. It looks at the data, the
    output layer and the loss, the initialization and the gradients, and tries what every network
    has to be able to do: learn one small batch by heart. A copy does the training; the model's
    weights and optimizer stay as they are. Labels that do not go with the loss are told before
    anything is trained, and an error that the training raises is a finding too.

    With the skill \(R = 1 - \sum \|t - p\|^2 / \sum \|t - \bar t\|^2\) of the predictions \(p\)
    for the batch's targets \(t\), a copy that reaches less than 0.3 after 200 steps has failed,
    unless its loss is still falling. If a step takes long, it ends after some 20 seconds, and what
    was not learned by then may have needed more steps.

    Args:
        model: a compiled Keras model. Losses, metrics, schedules and functions in layers may be of
            any kind; the copy is given the very same.
        x: inputs: an array (NumPy, pandas, a tensor), or a list or dict of arrays; or a dataset of
            batches `(x, y)`: a `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`,
            a generator (which loses up to 64 batches).
        y: targets: an array, or a list or dict of them for several outputs; None for a dataset.
        verify: also try each remedy in a short run on another copy.

    Returns:
        List of `Finding`, the most likely cause first; empty where nothing was found. It prints
        as a report, which then says what was looked at, and `explain(n)` shows the evidence.

    Raises:
        ValueError: if the model is not compiled or cannot be copied, or x and y are no arrays of
            one length.

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
    sure = known if loss_gets_targets(model) else [replace(one, labels=None) for one in known]
    if findings_of(*sure, before_training=True):
        return _told(sure)
    if refused is not None:
        raise ValueError(
            "`diagnose` trains a copy of the model. Expected one that can be copied. Received: "
            f"{refused} Give the class a `get_config` that holds all of its arguments, or pass "
            "kd.callbacks.Diagnosis() to `fit`."
        ) from refused.__cause__
    with metrics_kept(model):
        evidences, in_time = _after_training(copy, sample, known)
    findings = findings_of(*evidences)
    told = looked_at(evidences)
    too_short = not in_time or any(_needs_longer(evidence) for evidence in evidences)
    outcomes = {evidence.outcome for evidence in evidences}
    if too_short and outcomes != {"learned"}:
        why = "The loss was still falling" if in_time else "Its steps are slow: it was stopped"
        told += f" {why} after {counted(evidences[0].steps, 'step')} on one small batch: whether "
        told += "the model learns it is not known. Pass kd.callbacks.Diagnosis() to a longer `fit`."
    if not outcomes & {"failed", "flat"} or too_short:
        findings = [finding for finding in findings if finding.confidence >= 0.85]
    findings = [finding for finding in findings if finding.cause not in _NOT_TOLD]
    if verify:
        arrays = leaves_of(model, sample.inputs), keras.tree.flatten(sample.targets)
        replay(model, arrays, findings, _STEPS, silent_diagnosis)
    return Findings(findings, told, evidences)


def _told(evidences: list[Evidence]) -> Findings:
    return Findings(findings_of(*evidences), looked_at(evidences), evidences)


def _check_model(model: keras.Model) -> None:
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`diagnose` looks at the loss and the optimizer. Expected a compiled model. Received: "
            f"{model.name!r}, which is not. Call `model.compile(...)` first."
        )


def _known(
    model: keras.Model, copy: keras.Model, sample: DataSample, error: str | None = None
) -> list[Evidence]:
    """`Evidence` of the configuration and the data, before any training, one an output.

    Args:
        model: the model.
        copy: a copy of it that is built; the model itself where there is none.
        sample: `DataSample`.
        error: type and text of the error that a call of the model raised, or None.
    """
    first = model_facts(copy)
    facts = [first, *(model_facts(copy, number) for number in range(1, first.outputs))]
    targets, all_targets = (
        keras.tree.flatten(in_order_of_outputs(model, part))
        for part in (sample.targets, sample.all_targets)
    )
    shapes = [one.output_shape for one in facts]
    if shapes == [()] and copy is not model:  # of a class of the user's own
        outputs = copy(sample.part(slice(batch_size_of(model) or 2))[0], training=False)
        shapes = [tuple(outputs.shape[1:]) if hasattr(outputs, "shape") else ()]
    paired = len(targets) == len(facts)  # or else nobody knows which targets an output is for
    return [
        _known_of_output(
            one,
            shape,
            sample,
            targets[number] if paired else None,
            all_targets[number] if paired and sample.all_targets is not None else None,
            error,
            _takes_text(model),
        )
        for number, (one, shape) in enumerate(zip(facts, shapes, strict=True))
    ]


def _takes_text(model: keras.Model) -> bool:
    return any(
        getattr(part, "dtype", None) == "string" for part in getattr(model, "inputs", None) or ()
    )


def _known_of_output(
    facts: ModelFacts,
    shape: tuple[int | None, ...],
    sample: DataSample,
    targets: np.ndarray | None,
    all_targets: np.ndarray | None,
    error: str | None,
    text: bool,
) -> Evidence:
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
    if "targets" not in unknown and targets is not None:
        evidence = replace(
            evidence,
            labels=label_facts(targets, facts.loss),
            missing_classes=_missing_classes(all_targets),
        )
    return evidence


def _missing_classes(targets: np.ndarray | None) -> int:
    """How many classes have no example; 0 where not all targets were seen."""
    if targets is None:
        return 0
    facts = label_facts(targets)
    if facts.kind == "one_hot":
        return int(np.sum(~targets.reshape(-1, targets.shape[-1]).any(axis=0)))
    return int(facts.high - facts.low + 1 - facts.classes) if facts.numbered_classes else 0


class _TimeLimit(keras.callbacks.Callback):
    """Ends a `fit` whose epochs are steps when it has taken too long."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch == 1:
            self._start = time.perf_counter()
        over = epoch > 1 and time.perf_counter() - self._start > _SECONDS
        if over and _FEWEST_STEPS <= epoch + 1 < _STEPS:
            self.kept = False
            self.model.stop_training = True


def _after_training(
    copy: keras.Model, sample: DataSample, known: list[Evidence]
) -> tuple[list[Evidence], bool]:
    """`Evidence` by output of a copy that trained on one small batch, and of the sample's data.

    Also whether it was done in time.
    """
    size = batch_size_of(copy) or _SMALL_BATCH
    chosen = _varied(keras.tree.flatten(sample.targets)[0], size)
    x, y = sample.part(chosen)
    diagnosis, limit = Diagnosis(verbose=False), _TimeLimit()
    error = None
    try:
        copy.fit(
            x, y, batch_size=len(chosen), epochs=_STEPS, verbose=0, callbacks=[limit, diagnosis]
        )
    except Exception as raised:
        error = described(raised)
    evidences = diagnosis.evidence or known
    joined = [
        _joined(evidence, of_data, error)
        for evidence, of_data in zip(evidences, known, strict=True)
    ]
    return joined, limit.kept


def _joined(evidence: Evidence, known: Evidence, error: str | None) -> Evidence:
    """What training one small batch has shown, with what is known of all the data."""
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


def _needs_longer(evidence: Evidence) -> bool:
    """Whether the loss was still on its way down when the small run ended."""
    losses = evidence.losses
    fell = len(losses) > 1 and losses[0] - losses[-1] > _LEAST_FALL * abs(losses[0])
    return fell and evidence.still_falling > _LATE_FALL


def _varied(targets: np.ndarray, size: int) -> np.ndarray:
    """Places of a small batch in which the targets differ as much as they do in the sample."""
    order = np.argsort(sort_keys(targets), kind="stable")
    return order[np.linspace(0, len(order) - 1, min(size, len(targets))).astype(int)]
