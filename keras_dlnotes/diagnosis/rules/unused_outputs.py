"""Far more output units than there are classes."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

TIMES = 4
FEWEST = 20


def unused_outputs(evidence: Evidence) -> list[Finding]:
    """Each unit without a class has to be taught to stay silent, by every example.

    Threshold: the sparse cross-entropy has more than four output units for each class number up to
    the highest that was seen, and at least 20 more, and the run could have gone better. Heads of
    1000 classes are fine-tuned to few every day, so a run that has learned is left alone.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 6.2.2.3.
    """
    facts, labels = evidence.model, evidence.labels
    if labels is None or not (facts.loss or "").startswith("sparse") or facts.takes_tokens:
        return []
    if not evidence.could_be_better or not evidence.prediction_shape or not labels.whole:
        return []
    units, needed = evidence.prediction_shape[-1], int(labels.high) + 1
    if units <= TIMES * needed or units - needed < FEWEST:
        return []
    return [
        Finding(
            cause="unused_output_units",
            symptom=f"{units} output units for {needed} classes.",
            explanation="Nearly all probability starts with classes that never occur, and the "
            "first part of the training is spent on taking it from them.",
            remedy=f"Give the output layer {needed} units.",
            confidence=0.66,
            evidence={"output units over classes": units / needed, "upper threshold": TIMES},
            layer=facts.output_layer,
            part=f"keras.layers.Dense({needed})",
            explains=("too_few_epochs", "underfitting", "stuck_at_trivial_predictor"),
        )
    ]
