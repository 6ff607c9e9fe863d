"""A class without a single example."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, counted


def missing_class(evidence: Evidence) -> list[Finding]:
    """What never occurs is never learned; often a class was lost on the way.

    Threshold: one class between the others, or one column of one-hot labels, without an example.
    Told only where all of the labels were seen (`diagnose`), as a sample may miss a rare class.

    Reference: He and Garcia, "Learning from imbalanced data", 2009.
    """
    if not evidence.missing_classes:
        return []
    return [
        Finding(
            cause="missing_class",
            symptom=f"{counted(evidence.missing_classes, 'class', 'classes')} without an example.",
            explanation="What is missing was lost when the data were loaded, filtered or split, or "
            "the labels' encoding skips numbers.",
            remedy="Look at numpy.unique(y, return_counts=True), and split with stratify=y.",
            confidence=0.86,
            evidence={"classes without an example": evidence.missing_classes},
            part="sklearn.model_selection.train_test_split(stratify=y)",
        )
    ]
