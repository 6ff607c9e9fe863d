"""Batch normalization whose running statistics are not those of the data."""

import math

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

LEAST = 0.4
MOST_KEPT = 0.5


def lagging_statistics(evidence: Evidence) -> list[Finding]:
    r"""In training each batch is normalized by itself, afterwards by averages over the run.

    After \(n\) steps with momentum \(m\) the averages still hold \(m^n\) of their start, and what
    the weights made of the data some \(1/(1-m)\) steps ago.

    Threshold: a model with trained batch normalization that has a skill of 0.4 and more in the
    training pass keeps less than half of it outside training, on examples of the same run.

    Reference: Ioffe and Szegedy, "Batch normalization", 2015, section 3.1; Wu and Johnson,
    "Rethinking 'Batch' in BatchNorm", 2021, section 3.
    """
    found = [
        layer
        for layer in evidence.model.layers
        if layer.kind == "BatchNormalization" and layer.trainable
    ]
    before, after = evidence.training_skill, evidence.inference_skill
    if not found or not evidence.finished or before is None or after is None:
        return []
    pairs = [(before.variance, after.variance), (before.accuracy, after.accuracy)]
    known = [(was, now) for was, now in pairs if was is not None and now is not None]
    was, now = known[-1]  # of classes by accuracy: probabilities alone may be off
    if was < LEAST or not math.isfinite(now) or now >= MOST_KEPT * was:
        return []
    return [
        Finding(
            cause="batch_statistics_lag",
            symptom=f"On its training examples the model has skill {was:.2f} in the training pass, "
            f"and {max(now, -1.0):.2f} outside training.",
            explanation="Batch normalization used the batch's own mean and variance in training. "
            f"Outside it uses running averages, which after {evidence.steps} steps are not those "
            "of the data.",
            remedy="Use momentum=0.9 in short runs, larger batches, or "
            "PreciseBatchStatistics(x), which computes them anew; or train longer.",
            confidence=0.86,
            evidence={
                "skill outside training": now,
                "lower threshold": MOST_KEPT * was,
                "skill in the training pass": was,
                "steps": evidence.steps,
            },
            layer=found[0].name,
            part="kd.callbacks.PreciseBatchStatistics(x)",
            explains=("overfitting", "validation_data_differ", "batch_size_too_small"),
        )
    ]
