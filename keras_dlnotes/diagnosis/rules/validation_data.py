"""Validation data of another kind than the training data."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import LEARNED_SHARE, Evidence
from keras_dlnotes.diagnosis.finding import Finding

LEAST_SKILL = 0.4
MOST_KEPT = 0.5
FEWEST = 100
FEWEST_EPOCHS = 3
TIMES = 3.0
FAR_BELOW = 0.3
WORSE_THAN_CONSTANT = 1.5


def validation_data(evidence: Evidence) -> list[Finding]:
    r"""What carries over from some training examples to others has to carry over to validation.

    A model that learns its examples by heart is at first about as good on validation data as on
    them. One whose validation data are scaled, encoded or chosen otherwise never is.

    Threshold: the model has learned its training examples, outside training too, at least 100 of
    them were seen, and one of two holds. Kernel ridge regression, which predicts each of them from
    the others, has a skill of 0.4 and more, and in no epoch did the model reach half of that on
    validation data, by accuracy or by \(1 - L / L_0\) with the loss \(L_0\) of the best constant
    prediction (of a model that has learned its training examples in part: the last epoch's skill on
    validation data is below 0.3 of that on training data, which is 0.4 and more). Or in every epoch
    the validation loss was 3 times the training loss, and in the first third of them 1.5 times
    \(L_0\): to be so sure of wrong classes before much is learned takes inputs of another size.

    Reference: Quiñonero-Candela et al., "Dataset Shift in Machine Learning", 2009, chapter 1.
    """
    learned = evidence.inference_skill
    if not evidence.validation_losses or learned is None or not evidence.finished:
        return []
    if evidence.reconstructs or evidence.model.outputs > 1:
        return []
    if evidence.inputs is None or len(evidence.inputs) < FEWEST:
        return []
    if evidence.outcome == "poor":
        return _far_below(evidence, learned)
    if evidence.outcome != "learned":
        return []
    return _never_as_good(evidence, learned) or _always_worse(evidence, learned)


def _never_as_good(evidence, learned):
    reference = evidence.reference
    if reference is None:
        return []
    skills = [
        (pair, validation)
        for pair, validation in (
            ((reference.accuracy, learned.accuracy), _by_accuracy(evidence)),
            ((reference.variance, learned.variance), _by_loss(evidence)),
        )
        if validation is not None and None not in pair
    ]
    for (expected, known), validation in skills:
        if expected < LEAST_SKILL or known < LEARNED_SHARE * expected:
            return []
        if validation >= MOST_KEPT * expected:
            return []
    if not skills:
        return []
    (expected, known), validation = skills[0]
    return [
        _finding(
            f"On training data the model has skill {known:.2f}, on validation data never more than "
            f"{max(validation, -1.0):.2f}, from the first epoch on.",
            "What is learned of some training examples holds for the others (skill "
            f"{expected:.2f}), so it would hold for validation data of the same kind",
            {
                "best skill on validation data": validation,
                "lower threshold": MOST_KEPT * expected,
                "skill of kernel ridge regression on left-out training examples": expected,
            },
        )
    ]


def _far_below(evidence, learned):
    """The same weights in the same mode, on training examples and on validation data."""
    values, chance = _validation_accuracy(evidence), evidence.most_frequent
    if values is None or learned.accuracy is None or not learned.accuracy >= LEAST_SKILL:
        return []
    if evidence.reference is None or evidence.reference.best < LEAST_SKILL:
        return []
    last = float((values[-1] - chance) / (1.0 - chance))
    threshold = FAR_BELOW * learned.accuracy
    if last >= threshold:
        return []
    return [
        _finding(
            f"On training data the model has skill {learned.accuracy:.2f}, on validation data "
            f"{max(last, -1.0):.2f}.",
            "The model has not learned its examples by heart, so it would be about as good on "
            "validation data of the same kind",
            {
                "skill on validation data": last,
                "lower threshold": threshold,
                "skill on training data": learned.accuracy,
            },
        )
    ]


def _always_worse(evidence, learned):
    chance = evidence.constant_prediction_loss
    training = np.asarray(evidence.epoch_losses, dtype="float64")
    validation = np.asarray(evidence.validation_losses, dtype="float64")
    count = len(validation)
    if chance is None or chance <= 0.0 or count < FEWEST_EPOCHS or len(training) != count:
        return []
    if learned.best < LEAST_SKILL or not np.isfinite([*training, *validation]).all():
        return []
    early = float(validation[: count // 3].min() / chance)
    if early < WORSE_THAN_CONSTANT or (validation < TIMES * training).any():
        return []
    ratio = float(np.median(validation / np.maximum(training, 1e-12)))
    return [
        _finding(
            f"The validation loss is {ratio:.2g} times the training loss, and was {early:.2g} "
            "times that of a constant prediction from the first epoch on.",
            "A model that learns its examples by heart is at first no worse on others than a "
            "constant",
            {
                "early validation loss over a constant's": early,
                "upper threshold": WORSE_THAN_CONSTANT,
                "validation loss over training loss": ratio,
            },
        )
    ]


def _finding(symptom, explanation, figures):
    return Finding(
        cause="validation_data_differ",
        symptom=symptom,
        explanation=f"{explanation}: these are scaled, encoded or chosen otherwise.",
        remedy="Prepare validation data as the training data: the same scaling, with the training "
        "data's mean and deviation, the same order of columns and classes; shuffle before "
        "splitting.",
        confidence=0.8,
        evidence=figures,
        part="keras.layers.Normalization",
        explains=("overfitting",),
    )


def _by_accuracy(evidence):
    """The best epoch's accuracy on validation data as a skill; None where there is none."""
    values, chance = _validation_accuracy(evidence), evidence.most_frequent
    return None if values is None else float((np.max(values) - chance) / (1.0 - chance))


def _validation_accuracy(evidence):
    """By epoch; None where it is not known, or there is but one class."""
    values = [
        values
        for name, values in evidence.epoch_metrics.items()
        if name.startswith("val_") and "acc" in name and "top" not in name
    ]
    chance = evidence.most_frequent
    return values[0] if values and chance is not None and chance < 1.0 else None


def _by_loss(evidence):
    chance = evidence.constant_prediction_loss
    if chance is None or chance <= 0.0 or not evidence.epoch_losses:
        return None
    losses = np.asarray(evidence.validation_losses, dtype="float64")
    losses = losses[np.isfinite(losses)]
    # Keras adds penalties to the validation loss as well.
    penalty = (evidence.penalty or 0.0) * abs(evidence.epoch_losses[-1])
    return None if losses.size == 0 else float(1.0 - (losses.min() - penalty) / chance)
