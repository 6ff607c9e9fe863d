"""Targets and predictions of every kind as two matrices, and the skill of single batches."""

import numpy as np

from keras_dlnotes.diagnosis.facts import BatchSkill
from keras_dlnotes.measures import Skill
from keras_dlnotes.measures.skill import class_indices

MOST_COLUMNS = 64  # for which a yardstick is looked for
_MOST_OF_RECONSTRUCTION = 512
MOST_NUMBERS = 1 << 21  # of predictions by position, or for classes


def per_position(evidence):
    """Whether predictions are judged position by position, as pixel by pixel.

    A few steps of time are so many outputs, and a copy of the inputs is judged as a whole.
    """
    shape = evidence.prediction_shape
    if len(shape) < 2 or evidence.reconstructs:
        return False
    return int(np.prod(shape)) > MOST_COLUMNS


def fewer(targets, predictions, *inputs):
    """Every so many-th example, that there are not too many positions."""
    step = 1 + predictions.size // MOST_NUMBERS
    return [part[::step] for part in (targets, predictions, *inputs)]


def as_columns(evidence, targets, predictions):
    """Targets and predictions as two matrices of one shape, and whether they are classes.

    None where the two do not fit together. Predictions that were trained to mean other numbers than
    the targets, by a loss of the user's own or by weights, are first brought to their scale.
    """
    columns = _columns(evidence, targets, predictions)
    if columns is None or not (evidence.weighted or evidence.model.loss is None):
        return columns
    true, guessed, classes = columns
    return true, _calibrated(true, guessed), classes


def _columns(evidence, targets, predictions):
    labels, facts = evidence.labels, evidence.model
    loss = facts.loss or ""
    targets = targets.astype("float64")
    predictions = predictions.astype("float64")
    shape = evidence.prediction_shape
    if facts.from_logits and facts.output_activation in ("linear", None):
        predictions = _probabilities(predictions, shape, loss)
    if loss.startswith("sparse") or (
        labels.kind == "integers" and targets[0].size == 1 and shape and shape[-1] > 1
    ):
        classes = shape[-1]
        whole = targets.reshape(-1).astype(int)
        if len(whole) * classes != predictions.size or whole.min() < 0 or whole.max() >= classes:
            return None
        return np.eye(classes)[whole], predictions.reshape(-1, classes), True
    if targets.size != predictions.size:
        return None
    if labels.kind in ("one_hot", "shares") and len(shape) == 1:
        return targets.reshape(predictions.shape), predictions, labels.kind == "one_hot"
    if labels.kind == "one_hot":
        return targets.reshape(-1, shape[-1]), predictions.reshape(-1, shape[-1]), True
    if labels.kind == "signed":
        targets, predictions = (targets + 1) / 2, (predictions + 1) / 2
    if per_position(evidence):
        targets = targets.reshape(-1, evidence.channels)
    targets = targets.reshape(len(targets), -1)
    predictions = predictions.reshape(targets.shape)
    if evidence.reconstructs:
        step = 1 + (targets.shape[1] - 1) // _MOST_OF_RECONSTRUCTION
        targets, predictions = targets[:, ::step], predictions[:, ::step]
    return targets, predictions, labels.kind in ("binary", "signed") and targets.shape[1] == 1


def _calibrated(targets, predictions):
    """Predictions scaled and shifted, each column for itself, to fit the targets."""
    deviations = predictions - predictions.mean(axis=0)
    slopes = np.sum(deviations * (targets - targets.mean(axis=0)), axis=0)
    slopes = slopes / np.maximum(np.sum(deviations**2, axis=0), 1e-12)
    return targets.mean(axis=0) + slopes * deviations


def _probabilities(logits, shape, loss):
    if "binary" in loss:
        return 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50)))
    logits = logits.reshape(-1, shape[-1])
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits / logits.sum(axis=1, keepdims=True)


def batch_skills(evidence, targets, batches):
    """Compares each batch's predictions with the best constant for the sample's targets.

    The constant is compared on the same examples, so that a batch of rare classes tells nothing
    about what was learned.

    Args:
        evidence: `Evidence` with the labels' facts.
        targets: array of the sample's targets.
        batches: list of steps taken, targets and predictions.

    Returns:
        List of `BatchSkill`; empty where the two cannot be compared.
    """
    shapes = {(tuple(t.shape[1:]), tuple(p.shape[1:])) for _, t, p in batches}
    if not batches or len(shapes) != 1:
        return []
    ((_, predicted),) = shapes
    columns = _of_batch(evidence, targets, np.zeros((len(targets), *predicted)))
    if columns is None:
        return []
    true, _, classes = columns
    constant = true.mean(axis=0)
    usual = np.bincount(class_indices(true)).argmax() if classes else None
    skills = []
    for taken, wanted, guessed in batches:
        columns = _of_batch(evidence, wanted, guessed)
        if columns is not None:
            true, guessed, _ = columns
            skills.append(BatchSkill(taken, *_skill(true, guessed, constant, usual)))
    return skills


def _of_batch(evidence, targets, predictions):
    if per_position(evidence):
        targets, predictions = fewer(targets, predictions)
    return as_columns(evidence, targets, predictions.reshape(len(targets), -1))


def _skill(true, guessed, constant, usual):
    """`Skill`, and the standard error of its accuracy from the examples where the two differ."""
    spread, error = np.sum((true - constant) ** 2), np.sum((true - guessed) ** 2)
    if not np.isfinite(error):
        return Skill(-np.inf, None if usual is None else -np.inf), 0.0
    variance = float(1.0 - error / spread) if spread > 0 else 0.0
    if usual is None:
        return Skill(variance), 0.0
    wanted = class_indices(true)
    gains = (wanted == class_indices(guessed)).astype(float) - (wanted == usual)
    others = np.mean(wanted != usual)  # all that the constant has wrong
    if others == 0.0:
        return Skill(variance, 0.0), 0.0
    deviation = gains.std() / np.sqrt(len(gains))
    return Skill(variance, float(gains.mean() / others)), float(deviation / others)
