"""Accuracy measured on real numbers."""

from keras_dlnotes.diagnosis.conventions import REGRESSION_LOSSES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

_ACCURACIES = ("accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
_MOST_CLASSES = 10


def regression_accuracy(evidence: Evidence) -> list[Finding]:
    """Accuracy counts predictions that equal the target, which real numbers hardly ever do.

    Threshold: targets are taken for amounts if they are no whole numbers, or more than 10
    different ones: people number few classes, and rarely learn them with a regression loss.

    Reference: Keras, `keras.metrics.Accuracy`.
    """
    facts, labels = evidence.model, evidence.labels
    metric = next((name for name in facts.metrics if name in _ACCURACIES), None)
    if metric is None or labels is None or facts.loss not in REGRESSION_LOSSES:
        return []
    numbered = labels.kind == "integers" and labels.classes > _MOST_CLASSES
    amounts = labels.kind == "real" or numbered
    if not amounts or labels.classes <= 3:
        return []
    return [
        Finding(
            cause="accuracy_on_regression",
            symptom=f"The metric {metric!r} is measured on targets that are amounts.",
            explanation="It counts predictions that equal the target exactly, and stays near 0 "
            "however good the model is.",
            remedy='Use metrics=["mae"] or keras.metrics.R2Score().',
            confidence=0.9 if not evidence.went_wrong else 0.75,
            evidence={"metric": metric, "loss": facts.loss, "different targets": labels.classes},
            part="keras.metrics.R2Score",
        )
    ]
