"""Validation that gets worse while training gets better."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

RISE = 1.4
FEWEST_EPOCHS = 5
HARMLESS = 0.25
USELESS = 0.95
_GOOD_ENOUGH = 0.95  # validation accuracy at which a rising loss is confidence, not failure


def overfitting(evidence: Evidence) -> list[Finding]:
    """A model that learns its examples by heart gets better on them and worse on others.

    Thresholds: over at least 5 epochs the validation loss ended 40 % above its least value, which
    lies in the first two thirds of the run, while the training loss ended below half of the
    validation loss; or the validation loss ended no better than 95 % of what a constant prediction
    costs, while the training loss is below a quarter of that. A validation loss still below that
    quarter is no failure. Single bad epochs are averaged over the last fifth.

    Reference: Prechelt, "Early stopping - but when?", 1998: the generalization loss.
    """
    validation = np.asarray(evidence.validation_losses, dtype="float64")
    training = np.asarray(evidence.epoch_losses, dtype="float64")
    count = len(validation)
    if count < FEWEST_EPOCHS or len(training) != count or not evidence.finished:
        return []
    if not (np.isfinite(validation).all() and np.isfinite(training).all()):
        return []
    tail = max(count // 5, 1)
    end, least, when = validation[-tail:].mean(), validation.min(), int(validation.argmin())
    rise = float(end / least) if least > 0 else 1.0
    known = training[-tail:].mean()
    chance = evidence.constant_prediction_loss
    risen = rise >= RISE and when < 2 * count / 3 and known <= 0.5 * end
    useless = chance is not None and end >= USELESS * chance and known <= HARMLESS * chance
    if not risen and not useless:
        return []
    if chance is not None and end < HARMLESS * chance:
        return []
    accuracy = [v for k, v in evidence.epoch_metrics.items() if k.startswith("val_") and "acc" in k]
    if accuracy and accuracy[0][-1] >= _GOOD_ENOUGH:
        return []
    if risen:
        measured = {"final over least validation loss": rise, "upper threshold": RISE}
        symptom = (
            f"The validation loss rose to {rise:.2f} times its least value, of epoch {when + 1}, "
            "while the training loss went on falling."
        )
        explanation = "The model learns its examples by heart."
    else:
        measured = {
            "final validation loss over a constant's": end / chance,
            "upper threshold": USELESS,
        }
        symptom = (
            "On validation data the model is no better than a constant; on its training data it is "
            "far better."
        )
        explanation = (
            "It learns its examples by heart, or the validation data are of another kind: "
            "scaled differently, or of other classes."
        )
    return [
        Finding(
            cause="overfitting",
            symptom=symptom,
            explanation=explanation,
            remedy="Stop early, use dropout or weight penalties, a smaller model, or more data.",
            confidence=0.7,
            evidence={**measured, "final training loss": float(training[-1])},
            part="kd.callbacks.EarlyStopping(restore_best_weights=True)",
        )
    ]
