"""Runs that stopped while they were still learning."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

FALLING = 0.06
FEW_STEPS = 300


def training_length(evidence: Evidence) -> list[Finding]:
    """A loss that still falls steadily says that the run ended too early.

    Thresholds: named where the run went wrong, the loss stayed finite, and at least 6 % of the
    whole fall of the loss happened in its last quarter. Batches are called too large when an epoch
    is but a step or two and all epochs together made fewer than 300 updates.

    Reference: Prechelt, "Early stopping - but when?", 1998, on progress in training.
    """
    if not evidence.went_wrong or not evidence.finished:
        return []
    falling = evidence.still_falling
    if falling < FALLING or not np.isfinite([*evidence.losses, *evidence.epoch_losses]).all():
        return []
    whole_set = (evidence.steps_per_epoch or 99) <= 2 and (evidence.batch_size or 0) >= 64
    large = whole_set and evidence.steps < FEW_STEPS and evidence.epochs >= 20
    confidence = 0.68 if evidence.steps < FEW_STEPS else 0.63
    confidence += 0.05 * (falling > 2 * FALLING)
    return [
        Finding(
            cause="batch_size_too_large" if large else "too_few_epochs",
            symptom=f"{falling:.0%} of the fall of the loss happened in the last quarter.",
            explanation="The run ended while the model was still learning"
            + (f": {evidence.steps} updates in {evidence.epochs} epochs." if large else "."),
            remedy="Use a smaller batch_size (32), which makes more updates of each epoch."
            if large
            else f"Train longer: at least {4 * max(evidence.epochs, 1)} epochs, with "
            "EarlyStopping on validation data.",
            confidence=confidence,
            evidence={
                "fall in the last quarter": falling,
                "upper threshold": FALLING,
                "updates": evidence.steps,
                "epochs": evidence.epochs,
            },
            part="model.fit(epochs=...)",
            fix={"epochs": 4},
            explains=("stuck_at_trivial_predictor", "underfitting"),
        )
    ]
