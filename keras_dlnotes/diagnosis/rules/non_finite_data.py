"""NaN or infinity in the data."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def non_finite_data(evidence: Evidence) -> list[Finding]:
    """One number that is not finite makes loss, gradient and so every weight NaN.

    Threshold: a single one.

    Reference: IEEE 754: every operation with a NaN gives a NaN.
    """
    found = {"inputs": evidence.non_finite_inputs, "targets": evidence.non_finite_targets}
    where = [name for name, count in found.items() if count]
    if not where:
        return []
    return [
        Finding(
            cause="non_finite_data",
            symptom=f"There are NaN or infinite numbers in the {' and '.join(where)}.",
            explanation="They make the loss, the gradients and after one step all weights NaN.",
            remedy="Drop or fill in missing values before training (numpy.nan_to_num, "
            "sklearn.impute.SimpleImputer).",
            confidence=0.99,
            evidence={f"non-finite {name} seen": count for name, count in found.items()},
            explains=("non_finite_loss", "error_in_training", "*"),
        )
    ]
