"""Labels that the loss reads as something else."""

import re

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

# How torch and TensorFlow say that a class number is none, and which.
_REFUSED = re.compile(r"(?:Target|label value of) (-?\d+) (?:is out of bounds|which is outside)")


def label_encoding(evidence: Evidence) -> list[Finding]:
    """A cross-entropy wants labels in its own encoding; nothing checks that they are.

    Threshold: none. The binary cross-entropy takes numbers between 0 and 1, the categorical one
    rows that add up to 1, the sparse one whole numbers below the number of units, one an example.
    Outside these the loss has no minimum, or counts another class. A label that the framework has
    refused counts though it was not among the examples that were seen.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 3.9.
    """
    facts, labels = evidence.model, evidence.labels
    if labels is None or facts.loss is None:
        return []
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else _output_units(facts)
    refused = _REFUSED.search(evidence.error or "")
    seen = [labels.low, labels.high, *([float(refused[1])] if refused else [])]
    low, high = min(seen), max(seen)
    problem, remedy, part = None, "", "keras.utils.to_categorical"
    if facts.loss.startswith("binary"):
        if labels.low < 0 or labels.high > 1:
            problem = "The binary cross-entropy takes labels between 0 and 1."
            remedy = "Encode the two classes as 0 and 1."
            part = "(y > y.min()).astype(int)"
            if labels.kind in ("integers", "real") and labels.classes > 2:
                remedy = "Use one softmax unit a class and sparse_categorical_crossentropy, or "
                remedy += "a regression loss if the targets are amounts."
                part = 'keras.layers.Dense(classes, activation="softmax")'
    elif facts.loss.startswith("categorical") and labels.kind not in ("one_hot", "shares"):
        if units != 1 and labels.kind != "multi_hot":
            problem = "The categorical cross-entropy takes one column a class, 0 or 1."
            remedy = "Use keras.utils.to_categorical, or sparse_categorical_crossentropy."
    elif facts.loss.startswith("sparse") and units is not None:
        if labels.shape and labels.shape == evidence.prediction_shape and units > 1:
            problem = "The sparse cross-entropy takes one class number, not a column a class."
            remedy = "Use categorical_crossentropy, or y.argmax(axis=-1) as labels."
            part = "y.argmax(axis=-1)"
        elif any(label != facts.ignored_label and not 0 <= label < units for label in (low, high)):
            problem = f"Class numbers have to lie between 0 and {units - 1}, the last unit's."
            remedy = "Count classes from 0, and give the output one unit a class."
            part = "y - y.min()"
        elif not labels.whole:
            problem = "The sparse cross-entropy takes class numbers; these are amounts."
            remedy = "Use a linear output with a regression loss."
            part = 'keras.layers.Dense(units), loss="mse"'
    if problem is None:
        return []
    return [
        Finding(
            cause="labels_do_not_fit_loss",
            symptom=f"Labels ({labels.kind}) between {low:.3g} and {high:.3g} with loss "
            f"{facts.loss!r}.",
            explanation=problem,
            remedy=remedy,
            confidence=0.95,
            evidence={
                "lowest label": low,
                "highest label": high,
                "different labels": labels.classes,
                "output units": units,
            },
            layer=facts.output_layer,
            part=part,
            explains=(
                "target_shape_mismatch",
                "error_in_training",
                "non_finite_loss",
                "stuck_at_trivial_predictor",
                "*",
            ),
        )
    ]


def _output_units(facts):
    """Units of the output layer, of a model that takes images of any size; None if unknown."""
    last = (layer for layer in facts.layers if layer.is_output and layer.name == facts.output_layer)
    return next((layer.units for layer in last), None)
