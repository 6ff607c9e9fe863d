"""A run that settled below what the data allow."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, counted
from keras_dlnotes.diagnosis.remedy_wording import listed, optimizer_call
from keras_dlnotes.diagnosis.rules.hidden_activation import linear_falls_short
from keras_dlnotes.diagnosis.rules.learning_rate import usual_rates
from keras_dlnotes.diagnosis.rules.training_length import FEW_STEPS

NARROW = 4
ADAPTIVE = ("adam", "adamw", "nadam", "adamax", "lamb", "schedulefreeadamw", "rmsprop")


def underfitting(evidence: Evidence) -> list[Finding]:
    """The last resort: no other cause shows, and a textbook method does clearly better.

    Threshold: the run went wrong by `Evidence.outcome`, and by more than the
    sampling error (`Evidence.surely_poor`). Of fewer than 300 updates it is not said that
    the model has settled: single losses may hide that it was still learning. Called too small is a
    model without hidden layers where ridge regression does not learn it either, and one that sends
    more than four times as many outputs through a hidden layer as that makes numbers of an example,
    or two outputs and more through one; a layer that has a way around it is not meant.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 5.2.
    """
    if not evidence.went_wrong or evidence.reference is None:
        return []
    if evidence.skill is None or not np.isfinite(evidence.skill.best):
        return []
    small = not evidence.model.hidden and linear_falls_short(evidence)
    narrow = _narrow(evidence)
    if evidence.outcome != "poor" and not small and narrow is None:
        return []
    if evidence.outcome == "poor" and not evidence.surely_poor:
        return []  # another sample of the examples might say that it has learned
    if narrow is not None and not small:
        return [_narrow_finding(narrow, evidence)]
    other, part, fix = _other_optimizer(evidence.model)
    settled = small or evidence.steps >= FEW_STEPS
    explanation = "The model is too small or too restricted, or training got stuck."
    remedies = ["add hidden layers or units", "remove regularization", other]
    if not settled:
        explanation = f"{counted(evidence.steps, 'update')} may be too few, or the model too small."
        remedies = list(dict.fromkeys(["train longer", *remedies]))
    return [
        Finding(
            cause="model_too_small" if small else "underfitting",
            symptom=f"The model has {'settled at' if settled else 'learned'} less than what kernel "
            "ridge regression learns from the same examples.",
            explanation="A single layer is a linear model." if small else explanation,
            remedy=listed(*remedies),
            confidence=0.92 if small else 0.56,
            evidence={
                "skill on the training data": evidence.skill.best,
                "skill of kernel ridge regression": evidence.reference.best,
            },
            part="keras.layers.Dense" if small or not fix else part,
            fix={} if small else fix,
            explains=("stuck_at_trivial_predictor", "too_few_epochs") if small else (),
        )
    ]


def _other_optimizer(facts):
    """What else to try with the optimizer: a remedy, a part and a fix; it may be at its best."""
    if facts.optimizer not in ADAPTIVE:
        return (
            "try Adam with 0.001",
            "kd.optimizers.Adam(learning_rate=0.001)",
            {"optimizer": "adam"},
        )
    _, _, usual = usual_rates(facts)
    if facts.learning_rate is None or 0.5 <= facts.learning_rate / usual <= 2.0:
        return "train longer", None, {}
    call = optimizer_call(facts, learning_rate=usual)
    return f"try a learning rate of {usual:g}", call, {"learning_rate": usual}


def _narrow(evidence):
    """The hidden layer that is too narrow for the outputs, or None."""
    outputs = evidence.prediction_shape[-1] if evidence.prediction_shape else 1
    for layer in evidence.model.hidden:
        width = _width(layer)
        if layer.bypassed or width is None:
            continue
        if width < outputs / NARROW or (width == 1 and outputs > 1):
            return layer
    return None


def _width(layer):
    return layer.units if layer.numbers is None else layer.numbers


def _narrow_finding(layer, evidence):
    return Finding(
        cause="model_too_small",
        symptom=f"All information passes through {counted(_width(layer), 'number')}.",
        explanation="Too few numbers to tell the outputs apart.",
        remedy="Give hidden layers at least as many units as there are outputs.",
        confidence=0.8,
        evidence={"numbers": _width(layer), "outputs": evidence.prediction_shape[-1]},
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
