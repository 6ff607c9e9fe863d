"""Batches that hold one class each."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

FEW = 0.7


def unshuffled_data(evidence: Evidence) -> list[Finding]:
    """Sorted data make each batch pull the model towards its own class.

    Threshold: batches hold less than 70 % of the different classes that shuffled ones of their
    size would; shuffling leaves them within a few per cent. Named where the run went wrong, or
    learned less than the data make easy.

    Reference: Bengio, "Practical recommendations for gradient-based training of deep
    architectures", 2012, section 3.1.1.
    """
    ratio = evidence.batch_classes
    if ratio is None or ratio >= FEW or not evidence.could_be_better:
        return []
    return [
        Finding(
            cause="unshuffled_data",
            symptom="Batches hold fewer different classes than shuffled ones would.",
            explanation="The data are sorted by class, so each batch pulls towards its own class.",
            remedy="Shuffle the data: shuffle=True in fit, or dataset.shuffle(len(data)).",
            confidence=0.85,
            evidence={"classes in a batch over those expected": ratio, "lower threshold": FEW},
            part="model.fit(shuffle=True)",
            explains=("stuck_at_trivial_predictor", "underfitting", "learning_rate_too_high"),
        )
    ]
