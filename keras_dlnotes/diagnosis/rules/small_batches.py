"""Batches so small that the gradient is mostly noise."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

SMALL = 4
ROUGH = 0.25


def small_batches(evidence: Evidence) -> list[Finding]:
    """The gradient's noise grows as one over the root of the batch size.

    Thresholds: named where the run went wrong with batches of at most 4 out of 100 examples or
    more, and the loss between recorded steps still jumps by a quarter of its mean at the end. Batch
    normalization of batches of one example leaves nothing of it where there is but one number a
    feature: the gradient is exactly 0, which is not a matter of noise. With up to 4 examples a mean
    and a variance say little of the data, and batch normalization is named with them, unless it is
    frozen.

    Reference: Masters and Luschi, "Revisiting small batch training", 2018; Smith et al., 2018.
    """
    if not evidence.went_wrong or (evidence.batch_size or SMALL + 1) > SMALL:
        return []
    normalized = any(layer.kind == "BatchNormalization" for layer in evidence.model.layers)
    if evidence.batch_size == 1 and normalized:
        return [
            _finding(
                "A batch of one example is normalized by itself.",
                "The mean of one example is the example: what is left after subtracting it is 0.",
                0.9,
                {"batch size": 1, "lower threshold": 2},
            )
        ]
    if any(
        layer.kind == "BatchNormalization" and layer.trainable for layer in evidence.model.layers
    ):
        return [
            _finding(
                f"Batches of {evidence.batch_size} examples are normalized by their own mean and "
                "variance.",
                "Those of so few examples say little of the data, and differ from batch to batch "
                "and from the running averages.",
                0.86,
                {"batch size": evidence.batch_size, "lower threshold": SMALL},
            )
        ]
    losses = np.asarray(evidence.losses[len(evidence.losses) // 2 :], dtype="float64")
    if len(evidence.inputs if evidence.inputs is not None else ()) < 100 or len(losses) < 8:
        return []
    if not np.isfinite(losses).all() or losses.mean() == 0:
        return []
    roughness = float(np.abs(np.diff(losses)).mean() / abs(losses.mean()))
    if roughness < ROUGH:
        return []
    return [
        _finding(
            f"With batches of {evidence.batch_size} the loss jumps by {roughness:.0%}.",
            "A gradient of so few examples points mostly anywhere.",
            0.61,
            {
                "mean jump of the loss": roughness,
                "upper threshold": ROUGH,
                "batch size": evidence.batch_size,
            },
        )
    ]


def _finding(symptom, explanation, confidence, figures):
    return Finding(
        cause="batch_size_too_small",
        symptom=symptom,
        explanation=explanation,
        remedy="Use batch_size=32 or more, or a lower learning rate, or group normalization."
        if "normalized" in symptom
        else "Use batch_size=32 or more, or a lower learning rate.",
        confidence=confidence,
        evidence=figures,
        part="model.fit(batch_size=32)",
        explains=(
            "stuck_at_trivial_predictor",
            "underfitting",
            "untrained_layers",
            "saturated_units",
            "exploding_gradients",
            "batch_statistics_lag",
        ),
    )
