"""Regression targets far from the size of a fresh network's outputs."""

from keras_dlnotes.diagnosis.conventions import REGRESSION_LOSSES, SCALE_FREE_LOSSES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, consequences_of_scale

LARGE = 20.0
VERY_LARGE = 500.0


def unscaled_targets(evidence: Evidence) -> list[Finding]:
    """A fresh network predicts numbers of about unit size and has a long way to large targets.

    Thresholds: named only where the run went wrong. With Adam a weight moves about one learning
    rate a step, so that a bias needs 20,000 steps of 0.001 to reach 20; with plain descent the
    gradient grows with the targets and the same rate diverges.

    Reference: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.5.
    """
    facts, labels = evidence.model, evidence.labels
    sized = facts.loss in REGRESSION_LOSSES and facts.loss not in SCALE_FREE_LOSSES
    if labels is None or not sized or not evidence.went_wrong:
        return []
    size = max(abs(labels.mean), labels.deviation)
    if labels.kind not in ("real", "integers") or size < LARGE:
        return []
    return [
        Finding(
            cause="unscaled_targets",
            symptom=f"The targets are about {size:.3g} in size.",
            explanation="A fresh network's outputs are about 1 in size; large targets make large "
            "losses and gradients, or a very long way.",
            remedy="Standardize the targets, and scale predictions back.",
            confidence=0.82 if size >= VERY_LARGE else 0.7,
            evidence={
                "size of targets": size,
                "upper threshold": LARGE,
                "mean target": labels.mean,
                "deviation of targets": labels.deviation,
            },
            layer=facts.output_layer if facts.outputs > 1 else None,
            part="sklearn.preprocessing.StandardScaler",
            fix={"standardize_targets": True},
            explains=(*consequences_of_scale(evidence), "too_few_epochs", "learning_rate_too_low"),
        )
    ]
