"""A run that settled below what the data allow."""

from keras_dlnotes.diagnosis.finding import Finding


def underfitting(evidence):
    """The last resort: the loss has settled, and a textbook method does clearly better.

    Threshold: the run went wrong by `Evidence.outcome` and is not still falling. It explains
    nothing by itself, so every rule that names a cause comes before it.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 5.2.
    """
    if evidence.outcome != "poor" or not evidence.finished or evidence.reference is None:
        return []
    small = not evidence.model.hidden
    return [
        Finding(
            cause="model_too_small" if small else "underfitting",
            symptom="The model has settled at less than what kernel ridge regression learns from "
            "the same examples.",
            explanation="A single layer is a linear model."
            if small
            else "The model is too small or too restricted, or training got stuck.",
            remedy="Add hidden layers or units, remove regularization, try Adam with 0.001.",
            confidence=0.62 if small else 0.56,
            evidence={
                "skill on the training data": evidence.skill.best,
                "skill of kernel ridge regression": evidence.reference.best,
            },
            part="kd.optimizers.Adam",
            fix={"optimizer": "adam"},
        )
    ]
