"""A class so rare that it is never predicted."""

import numpy as np

from keras_dlnotes.diagnosis.conventions import PROBABILITIES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, counted
from keras_dlnotes.measures.skill import class_indices

RARE = 0.1
FEWEST = 2  # examples of it
MOST_OF_TEXTS = 20


def rare_class(evidence: Evidence) -> list[Finding]:
    """Who never predicts a class of one in a thousand is wrong once in a thousand.

    Threshold: with a cross-entropy and examples of equal weight, the rarest class has less than a
    tenth of its even share of all examples that recorded steps have shown, two were shown at least,
    the training pass predicted it for none of them in the second half of the run, and the trained
    model does for no example of the sample. Each example has one label; with texts as inputs not
    one of more than 20, which are mostly the next words.

    Reference: He and Garcia, "Learning from imbalanced data", 2009, section 2.
    """
    rare = evidence.rarest
    if rare is None or not evidence.finished or evidence.weighted:
        return []
    if evidence.model.loss not in PROBABILITIES or rare.hits or rare.seen < FEWEST:
        return []
    if _is_predicted(evidence, rare.label):
        return []
    if evidence.model.takes_tokens and rare.classes > MOST_OF_TEXTS:
        return []  # the next word or letter: rare ones are rare in every text
    threshold = RARE / rare.classes
    if rare.share >= threshold:
        return []
    return [
        Finding(
            cause="imbalanced_classes",
            symptom=f"The rarest of {rare.classes} classes has {rare.share:.2%} of the examples "
            "that were looked at, and the model predicts it for none of them.",
            explanation="The loss hardly changes with so few examples; accuracy does not show it.",
            remedy="Pass class_weight to fit, with weights as one over the classes' shares; show "
            "rare examples more often; judge by recall or by the area under the curve.",
            confidence=0.86,
            evidence={
                "share of the rarest class among them": rare.share,
                "lower threshold": threshold,
                "examples of it": counted(rare.seen, "example"),
                "of these predicted": rare.hits,
            },
            layer=None,
            part="model.fit(class_weight=...)",
            fix={"class_weight": True},
            explains=("stuck_at_trivial_predictor", "underfitting", "labels_unrelated_to_inputs"),
        )
    ]


def _is_predicted(evidence, label):
    """Whether the trained model predicts the class for an example of the sample."""
    predictions = evidence.predictions
    if predictions is None or label is None or not np.isfinite(predictions).all():
        return False
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else 1
    return bool(np.any(class_indices(predictions.reshape(-1, units)) == label))
