"""The skill of single batches in the training pass: a run's learning curve as it comes."""

import numpy as np

from keras_dlnotes.diagnosis.comparable_predictions import as_columns, fewer, per_position
from keras_dlnotes.diagnosis.facts import BatchSkill
from keras_dlnotes.measures import Skill
from keras_dlnotes.measures.skill import class_indices


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
    columns = _columns(evidence, targets, np.zeros((len(targets), *predicted)))
    if columns is None:
        return []
    true, _, classes = columns
    constant = true.mean(axis=0)
    usual = np.bincount(class_indices(true)).argmax() if classes else None
    skills = []
    for taken, wanted, guessed in batches:
        columns = _columns(evidence, wanted, guessed)
        if columns is not None:
            true, guessed, _ = columns
            skills.append(BatchSkill(taken, *_skill(true, guessed, constant, usual)))
    return skills


def _columns(evidence, targets, predictions):
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
