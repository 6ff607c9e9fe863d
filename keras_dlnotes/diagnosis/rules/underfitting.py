"""A run that settled below what the data allow."""

from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules.hidden_activation import linear_falls_short

NARROW = 4


def underfitting(evidence):
    """The last resort: the loss has settled, and a textbook method does clearly better.

    Threshold: the run went wrong by `Evidence.outcome`. Called too small is a model without hidden
    layers where ridge regression does not learn it either, and one that sends more than four times
    as many outputs as it has units through a hidden layer, or two outputs and more through one.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 5.2.
    """
    if not evidence.went_wrong or evidence.reference is None:
        return []
    small = not evidence.model.hidden and linear_falls_short(evidence)
    narrow = _narrow(evidence)
    if evidence.outcome != "poor" and not small and narrow is None:
        return []
    if narrow is not None and not small:
        return [_narrow_finding(narrow, evidence)]
    return [
        Finding(
            cause="model_too_small" if small else "underfitting",
            symptom="The model has settled at less than what kernel ridge regression learns from "
            "the same examples.",
            explanation="A single layer is a linear model."
            if small
            else "The model is too small or too restricted, or training got stuck.",
            remedy="Add hidden layers or units, remove regularization, try Adam with 0.001.",
            confidence=0.92 if small else 0.56,
            evidence={
                "skill on the training data": evidence.skill.best,
                "skill of kernel ridge regression": evidence.reference.best,
            },
            part="kd.optimizers.Adam",
            fix={} if small else {"optimizer": "adam"},
            explains=("stuck_at_trivial_predictor", "too_few_epochs") if small else (),
        )
    ]


def _narrow(evidence):
    """The hidden layer that is too narrow for the outputs, or None."""
    outputs = evidence.prediction_shape[-1] if evidence.prediction_shape else 1
    for layer in evidence.model.hidden:
        few = layer.units is not None and layer.units < outputs / NARROW
        if few or (layer.units == 1 and outputs > 1):
            return layer
    return None


def _narrow_finding(layer, evidence):
    return Finding(
        cause="model_too_small",
        symptom=f"All information passes through {layer.units} unit(s).",
        explanation="Too few numbers to tell the outputs apart.",
        remedy="Give hidden layers at least as many units as there are outputs.",
        confidence=0.8,
        evidence={"units": layer.units, "outputs": evidence.prediction_shape[-1]},
        layer=layer.name,
        part="keras.layers.Dense(32)",
        # So few ReLU units are easily dead for all examples at once.
        explains=(
            "stuck_at_trivial_predictor",
            "too_few_epochs",
            "underfitting",
            "dead_units",
        ),
    )
