"""A train step that ended in an error."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def error_in_training(evidence: Evidence) -> list[Finding]:
    """What the framework refuses was never learned from; its own words say what it is.

    Threshold: a single one.

    Reference: Keras, "Debugging tips": `compile(run_eagerly=True)`.
    """
    if evidence.error is None:
        return []
    return [
        Finding(
            cause="error_in_training",
            symptom=f"Training raised {evidence.error}",
            explanation="No step can be taken while the model, its loss or a metric refuses the "
            "data.",
            remedy="Mend what the error names; compile with run_eagerly=True to see the line that "
            "raises it.",
            confidence=0.9,
            evidence={"error": evidence.error.split(":")[0], "steps taken": evidence.steps},
            part="keras.Model.compile(run_eagerly=True)",
            explains=("*",),
        )
    ]
