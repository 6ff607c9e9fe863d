"""Validation data of another kind than the training data."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import LEARNED_SHARE
from keras_dlnotes.diagnosis.finding import Finding

LEAST_REFERENCE = 0.4
MOST_KEPT = 0.5
FEWEST = 100


def validation_data(evidence):
    r"""What carries over from some training examples to others has to carry over to validation.

    A model that learns its examples by heart is at first about as good on validation data as on
    them. One whose validation data are scaled, encoded or chosen otherwise never is.

    Threshold: on at least 100 training examples, each predicted from the others, kernel ridge
    regression has a skill of 0.4 and more; the model has learned them, outside training too; and
    in no epoch did it reach half of that skill on validation data, by accuracy or by
    \(1 - L / L_0\) with the loss \(L_0\) of the best constant prediction.

    Reference: Quiñonero-Candela et al., "Dataset Shift in Machine Learning", 2009, chapter 1.
    """
    reference, learned = evidence.reference, evidence.inference_skill
    if not evidence.validation_losses or reference is None or learned is None:
        return []
    if not evidence.finished or evidence.reconstructs or evidence.model.outputs > 1:
        return []
    if evidence.inputs is None or len(evidence.inputs) < FEWEST:
        return []
    skills = [
        (pair, validation)
        for pair, validation in (
            ((reference.accuracy, learned.accuracy), _by_accuracy(evidence)),
            ((reference.variance, learned.variance), _by_loss(evidence)),
        )
        if validation is not None and None not in pair
    ]
    if not skills:
        return []
    for (expected, known), validation in skills:
        if expected < LEAST_REFERENCE or known < LEARNED_SHARE * expected:
            return []
        if validation >= MOST_KEPT * expected:
            return []
    (expected, known), validation = skills[0]
    return [
        Finding(
            cause="validation_data_differ",
            symptom=f"On training data the model has skill {known:.2f}, on validation data never "
            f"more than {max(validation, -1.0):.2f}, from the first epoch on.",
            explanation="What is learned of some training examples holds for the others (skill "
            f"{expected:.2f}), so it would hold for validation data of the same kind: these are "
            "scaled, encoded or chosen otherwise.",
            remedy="Prepare validation data as the training data: the same scaling, with the "
            "training data's mean and deviation, the same order of columns and classes; shuffle "
            "before splitting.",
            confidence=0.8,
            evidence={
                "best skill on validation data": validation,
                "lower threshold": MOST_KEPT * expected,
                "skill of kernel ridge regression on left-out training examples": expected,
            },
            part="keras.layers.Normalization",
            explains=("overfitting",),
        )
    ]


def _by_accuracy(evidence):
    """The best epoch's accuracy on validation data as a skill; None where there is none."""
    values = [
        values
        for name, values in evidence.epoch_metrics.items()
        if name.startswith("val_") and "acc" in name and "top" not in name
    ]
    chance = evidence.most_frequent
    if not values or chance is None or chance >= 1.0:
        return None
    return float((np.max(values[0]) - chance) / (1.0 - chance))


def _by_loss(evidence):
    chance = evidence.constant_prediction_loss
    if chance is None or chance <= 0.0 or not evidence.epoch_losses:
        return None
    losses = np.asarray(evidence.validation_losses, dtype="float64")
    losses = losses[np.isfinite(losses)]
    # Keras adds penalties to the validation loss as well.
    penalty = (evidence.penalty or 0.0) * abs(evidence.epoch_losses[-1])
    return None if losses.size == 0 else float(1.0 - (losses.min() - penalty) / chance)
