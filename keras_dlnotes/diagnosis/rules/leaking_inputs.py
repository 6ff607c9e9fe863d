"""A target that is one of the inputs."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def leaking_inputs(evidence: Evidence) -> list[Finding]:
    """What tells the target exactly is mostly made of it, and missing when it is needed.

    Threshold: a column of a table (less than half of its columns) has one value in each class and
    another in each other one, or is the target's amount in another unit, among at least 50
    examples.

    Reference: Kaufman, Rosset and Perlich, "Leakage in data mining", 2012.
    """
    leak = evidence.leak
    if leak is None or not evidence.finished:
        return []
    return [
        Finding(
            cause="leaking_inputs",
            symptom=f"Column {leak.column} of input {leak.input} tells the target exactly.",
            explanation="Such a column is mostly made of the target, or known only after it. The "
            "model learns to copy it, and knows nothing where it is missing.",
            remedy="Leave the column out, unless it is really known when a prediction is wanted.",
            confidence=0.83,
            evidence={"input": leak.input, "column": leak.column},
            part="numpy.delete(x, column, axis=1)",
            explains=("overfitting", "validation_data_differ"),
        )
    ]
