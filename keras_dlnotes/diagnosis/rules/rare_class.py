"""A class so rare that it is never predicted."""

from keras_dlnotes.diagnosis.conventions import PROBABILITIES
from keras_dlnotes.diagnosis.finding import Finding, counted

RARE = 0.1


def rare_class(evidence):
    """Who never predicts a class of one in a thousand is wrong once in a thousand.

    Threshold: with a cross-entropy and examples of equal weight, the rarest class has less than a
    tenth of its even share of all examples that recorded steps have shown, and the training pass
    predicted it for none of them.

    Reference: He and Garcia, "Learning from imbalanced data", 2009, section 2.
    """
    rare = evidence.rarest
    if rare is None or not evidence.finished or evidence.weighted:
        return []
    if evidence.model.loss not in PROBABILITIES or rare.hits:
        return []
    threshold = RARE / rare.classes
    if rare.share >= threshold:
        return []
    return [
        Finding(
            cause="imbalanced_classes",
            symptom=f"The rarest of {rare.classes} classes has {rare.share:.2%} of the examples, "
            "and the model never predicts it.",
            explanation="The loss hardly changes with so few examples; accuracy does not show it.",
            remedy="Pass class_weight to fit, with weights as one over the classes' shares; show "
            "rare examples more often; judge by recall or by the area under the curve.",
            confidence=0.86,
            evidence={
                "share of the rarest class": rare.share,
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
