"""Turns what was recorded of a run into the evidence that the rules judge."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from keras_dlnotes.diagnosis.augmentations import augmented_inputs
from keras_dlnotes.diagnosis.comparable_predictions import (
    MOST_COLUMNS,
    MOST_NUMBERS,
    as_columns,
    batch_skills,
    fewer,
    per_position,
)
from keras_dlnotes.diagnosis.compiled_facts import optimizer_status
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.facts import ModelFacts, RareClass
from keras_dlnotes.diagnosis.label_facts import label_facts
from keras_dlnotes.diagnosis.model_facts import symmetric_layers, with_output_layer
from keras_dlnotes.diagnosis.probe import Answer, UnmaskedReader
from keras_dlnotes.diagnosis.run_record import RunRecord
from keras_dlnotes.diagnosis.target_leaks import leak_of
from keras_dlnotes.diagnosis.yardstick import FEWEST_EXAMPLES, reference_skill, yardstick
from keras_dlnotes.measures import skill
from keras_dlnotes.measures.skill import class_indices

_MOST_FEATURES = 4096
_MOST_TEXT = 1000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LISTED_LABELS = re.compile(r"\s*Label values:[-\d\s]*")  # TensorFlow names all of the batch


@np.errstate(all="ignore")  # of a run that has diverged, squares and sums may overflow
def evidence_of(
    model: keras.Model,
    facts: ModelFacts,
    record: RunRecord,
    probed: Answer | None,
    epochs: int,
    finished: bool = True,
    output: int = 0,
    error: BaseException | None = None,
) -> Evidence:
    """Builds `Evidence` of one output.

    Args:
        model: the Keras model, in the state that is judged.
        facts: its `ModelFacts` before training, for this output.
        record: `RunRecord`.
        probed: what `probe` returned for the record's sample; None if there was none.
        epochs: epochs that were asked for.
        finished: whether the run is over.
        output: number of the output.
        error: what a train step raised, or None; also what ended it, such as a `KeyboardInterrupt`.
    """
    logs = record.epoch_logs
    evidence = Evidence(
        model=facts,
        loss_steps=list(record.loss_steps),
        losses=list(record.losses),
        epoch_losses=list(logs.get("loss", ())),
        validation_losses=list(logs.get("val_loss", ())),
        epoch_metrics={k: list(v) for k, v in logs.items() if k not in ("loss", "val_loss")},
        epochs=epochs,
        steps_per_epoch=record.steps_per_epoch,
        batch_size=record.batch_size,
        optimizer_status=optimizer_status(model),
        steps=record.steps,
        statistics={tag: list(values) for tag, values in record.statistics.items()},
        statistic_steps=list(record.statistic_steps),
        learning_rates=list(record.learning_rates),
        planned_steps=None if finished else record.planned_steps,
        # On JAX whatever ends a step takes the weights with it.
        trained_symmetric=symmetric_layers(model) if error is None else (),
        finished=finished,
        non_finite_inputs=record.non_finite_inputs,
        weighted=record.weighted,
        origin=record.trace.origin(),
        non_numeric=record.non_numeric,
        error=described(error) if isinstance(error, Exception) else None,
        prediction_shape=facts.output_shape,
    )
    if len(record.outputs) != facts.outputs:
        return evidence  # a class of the user's own, whose targets and outputs nothing pairs
    seen = record.outputs[output]
    evidence = replace(evidence, non_finite_targets=seen.non_finite)
    sample = record.sample()
    if sample is None:
        return evidence
    inputs, targets = sample
    # A rare label may be missing in the sample and yet have been seen.
    labels = label_facts(seen.all_targets(), facts.loss)
    labels = replace(labels, low=float(seen.lowest), high=float(seen.highest))
    evidence = replace(
        evidence,
        inputs=flat_inputs(inputs),
        labels=labels,
        batch_classes=_batch_classes(seen, labels),
        rarest=_rarest(seen, facts.ignored_label),
    )
    if seen.last_batches:
        shape = tuple(seen.last_batches[-1][1].shape[1:])
        evidence = replace(evidence, prediction_shape=shape)
        seen.skills += batch_skills(evidence, targets[output], seen.take_unjudged())
        evidence = replace(evidence, batch_skills=list(seen.skills))
    if probed is None:
        return evidence
    evidence = replace(
        evidence,
        units=probed.units,
        normalizations=probed.normalizations,
        unmasked=padding_read(probed.unmasked, inputs) if facts.takes_tokens else {},
        inputs_scaled_to=probed.scaled_to,
        model=with_output_layer(facts, model, probed.output_layer),
    )
    predictions = probed.predictions
    if len(predictions) == len(targets):
        evidence = with_predictions(evidence, targets[output], predictions[output], inputs)
        evidence = _with_training_pass(evidence, seen.last_batches)
        if evidence.went_wrong:
            evidence = _with_augmentation(evidence, model, inputs, targets[output])
    if evidence.epoch_losses and np.isfinite(evidence.epoch_losses[-1]):
        penalty = probed.penalty / max(abs(evidence.epoch_losses[-1]), 1e-12)
        evidence = replace(evidence, penalty=penalty)
    return evidence


def described(error: BaseException) -> str:
    """Type and text of an error; of a long text, which holds a stack, the two ends."""
    text = _LISTED_LABELS.sub(" ", _COLOURS.sub("", str(error))).strip()
    if len(text) > _MOST_TEXT:
        text = f"{text[: _MOST_TEXT // 2]} ... {text[-_MOST_TEXT // 2 :]}"
    return f"{type(error).__name__}: {text}"


def flat_inputs(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """One row an example: all inputs side by side, of very many numbers an even selection."""
    rows = [part.reshape(len(part), -1) for part in inputs]
    rows = [part[:, :: 1 + part.shape[1] // _MOST_FEATURES] for part in rows]
    return np.concatenate([part.astype("float64") for part in rows], axis=1)


def with_predictions(
    evidence: Evidence,
    targets: np.ndarray,
    predictions: np.ndarray,
    inputs: Sequence[np.ndarray] = (),
) -> Evidence:
    """The evidence with what follows from the predictions for the targets.

    Args:
        evidence: `Evidence`.
        targets: array.
        predictions: array.
        inputs: list of the inputs' arrays, for a yardstick of predictions by position.
    """
    if evidence.model.loss == "cosine_similarity":
        return evidence  # it leaves the predictions' size open
    evidence = replace(
        evidence,
        prediction_shape=tuple(predictions.shape[1:]),
        predictions=predictions.reshape(len(targets), -1),
        input_shape=tuple(inputs[0].shape[1:]) if len(inputs) == 1 else (),
    )
    known = evidence.inputs is not None
    known &= not (evidence.non_finite_inputs or evidence.non_finite_targets)
    sparse = (evidence.model.loss or "").startswith("sparse")
    if known and not sparse and _reconstructs(evidence.inputs, flat_inputs([targets])):
        evidence = replace(evidence, reconstructs=True)
    if per_position(evidence):
        targets, predictions, *inputs = fewer(targets, predictions, *inputs)
    columns = as_columns(evidence, targets, predictions)
    if columns is None:
        return evidence
    true, guessed, classes = columns
    if true.shape[1] > 8 * MOST_COLUMNS and not (classes and true.size <= MOST_NUMBERS):
        return evidence
    if np.all(true == true[:1]):
        return evidence  # nothing to tell apart, as with a single example
    reached = skill(true, guessed, classes)
    evidence = replace(
        evidence, skill=reached, skill_examples=len(targets), inference_skill=reached
    )
    if classes:
        frequencies = np.bincount(class_indices(true)) / len(true)
        evidence = replace(evidence, most_frequent=float(frequencies.max()))
    # Of several outputs, or with weights, the run's losses are other sums than this one.
    if evidence.model.outputs == 1 and not evidence.weighted:
        loss = _constant_loss(evidence.model.loss or "", true)
        evidence = replace(evidence, constant_prediction_loss=loss)
    if not known:
        return evidence
    if not per_position(evidence) and not evidence.model.takes_tokens:
        evidence = replace(evidence, leak=leak_of(inputs, true, classes))
    reference, linear = yardstick(evidence, inputs, len(targets), true, classes)
    if reference is None:
        return evidence
    return replace(evidence, reference=reference, linear_reference=linear)


def _with_augmentation(evidence, model, inputs, targets):
    """Adds what the yardstick learns of inputs that layers of the model have changed at random."""
    if len(inputs) != 1 or evidence.reference is None or per_position(evidence):
        return evidence
    true, _, classes = as_columns(evidence, targets, evidence.predictions)
    for name, changed in augmented_inputs(model, inputs[0]):
        reached = reference_skill(flat_inputs([changed]), true, classes)
        lowest = evidence.augmented_reference
        if reached is not None and (lowest is None or reached.best < lowest.best):
            evidence = replace(evidence, augmented_reference=reached, augmentation=name)
    return evidence


def _rarest(seen, ignored):
    """`RareClass` of the examples of all recorded steps; None without classes."""
    if seen.class_counts is None:
        return None
    counts = Counter({label: n for label, n in seen.class_counts.items() if label != ignored})
    if len(counts) < 2:
        return None
    # What a network predicts in the first half of a run is mostly chance.
    late = seen.class_hits[len(seen.class_hits) // 2 :]
    hits = {label: sum(step[label] for step in late) for label in counts}
    rare = min(counts, key=lambda label: (counts[label], hits[label]))
    return RareClass(counts[rare] / counts.total(), counts[rare], hits[rare], len(counts), rare)


def padding_read(
    readers: Mapping[str, UnmaskedReader], inputs: Sequence[np.ndarray]
) -> dict[str, float]:
    """See `Evidence.unmasked`."""
    if len(inputs) != 1 or inputs[0].ndim != 2 or not inputs[0].size:
        return {}
    words = inputs[0] != 0
    texts = words.any(axis=1)
    before = np.where(texts, words.argmax(axis=1), words.shape[1]).mean() / words.shape[1]
    behind = np.where(texts, words[:, ::-1].argmax(axis=1), words.shape[1]).mean() / words.shape[1]
    return {
        name: float(min(behind if reader.forwards else 1.0, before if reader.backwards else 1.0))
        for name, reader in readers.items()
    }


def _reconstructs(inputs, targets):
    """Whether the targets are the inputs, perhaps without noise that was added to these."""
    return inputs.shape == targets.shape and skill(targets, inputs).variance > 0.5


def _with_training_pass(evidence, batches):
    """Takes the predictions of the training pass where they are the better ones.

    After a short run, batch normalization's moving averages are still those of the start, and a
    model that has learned predicts nonsense outside training. That is no failure to learn.
    """
    shapes = {(t.shape[1:], p.shape[1:]) for t, p in batches}
    if evidence.skill is None or len(shapes) != 1:
        return evidence
    targets = np.concatenate([t for t, _ in batches])
    if len(targets) < FEWEST_EXAMPLES:
        return evidence
    predictions = np.concatenate([p for _, p in batches])
    if per_position(evidence):
        targets, predictions = fewer(targets, predictions)
    columns = as_columns(evidence, targets, predictions.reshape(len(targets), -1))
    if columns is None:
        return evidence
    reached = skill(*columns)
    evidence = replace(evidence, training_skill=reached)
    if reached.best <= evidence.skill.best:
        return evidence
    return replace(evidence, skill=reached, skill_examples=len(columns[0]))


def _constant_loss(loss, targets):
    """What the best constant prediction would lose; None where the loss is another one."""
    mean = np.clip(targets.mean(axis=0), 1e-7, 1 - 1e-7)
    if loss == "mean_squared_error":
        return float(targets.var(axis=0).mean())
    if loss == "mean_absolute_error":
        return float(np.abs(targets - np.median(targets, axis=0)).mean())
    if loss == "binary_crossentropy":
        return float(-np.mean(mean * np.log(mean) + (1 - mean) * np.log(1 - mean)))
    if loss.endswith("categorical_crossentropy"):
        return float(-np.sum(mean * np.log(mean)))
    return None


def _batch_classes(seen, labels):
    """Different classes in a batch over those to be expected in a shuffled one."""
    if labels.kind not in ("binary", "signed", "one_hot", "integers") or labels.classes < 2:
        return None
    if len(labels.shape) > 1 or (labels.kind != "one_hot" and labels.shape not in ((), (1,))):
        return None  # many labels an example, as along a sequence
    sizes = [size for _, size in seen.class_ratios]
    if not sizes or min(sizes) < 8 or len(sizes) < 3:
        return None
    all_targets = np.concatenate([t.reshape(len(t), -1) for t in seen.targets])
    classes = all_targets.argmax(1) if all_targets.shape[1] > 1 else all_targets[:, 0]
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    expected = [np.sum(1 - (1 - shares) ** size) for size in sizes]
    return float(np.mean([found for found, _ in seen.class_ratios]) / np.mean(expected))
