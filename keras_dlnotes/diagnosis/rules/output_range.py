"""Targets that the output's activation cannot reach."""

from math import inf

from keras_dlnotes.diagnosis.conventions import RANGES, REGRESSION_LOSSES, SCALE_FREE_LOSSES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

FAR = 0.5
_MARGIN = 0.01  # of the targets' span; below it labels are at the edge up to rounding


def output_range(evidence: Evidence) -> list[Finding]:
    """A squashing output predicts nothing outside its range, so such targets cannot be learned.

    Threshold: the range of the activation, and 1 % of the targets' span for rounding. A softmax
    also adds up to 1 over the units, so for real targets it never fits. Noise that sticks out a
    little does no harm: a run that has learned well is left alone, and before the end only targets
    that lie half their span outside are reported.

    Reference: Bishop, "Pattern Recognition and Machine Learning", 2006, section 5.2: the output's
    activation follows from the distribution of the targets.
    """
    facts, labels = evidence.model, evidence.labels
    if labels is None or facts.output_activation not in RANGES:
        return []
    regression = facts.loss in REGRESSION_LOSSES or facts.loss is None
    low, high = RANGES[facts.output_activation]
    if facts.loss in SCALE_FREE_LOSSES:  # then only a sign can be out of reach
        low, high = (0.0 if low == 0.0 else -inf), (0.0 if high == 0.0 else inf)
    margin = _MARGIN * max(labels.high - labels.low, 1e-12)
    outside = labels.low < low - margin or labels.high > high + margin
    softmax = facts.output_activation == "softmax" and labels.kind == "real"
    if not regression or not (outside or softmax):
        return []
    if evidence.outcome == "learned" and not evidence.could_be_better:
        return []
    span = labels.high - labels.low
    far = labels.low < low - FAR * span or labels.high > high + FAR * span
    if not evidence.finished and not far:
        return []
    if labels.numbered_classes and evidence.prediction_shape[-1:] not in ((1,), ()):
        return []
    figures = {"lowest target": labels.low, "lower threshold": low}
    if labels.high > high + margin:
        figures = {"highest target": labels.high, "upper threshold": high}
    symptom = (
        f"Targets lie between {labels.low:.3g} and {labels.high:.3g}; the output activation "
        f"{facts.output_activation!r} reaches {_reach(low, high)}."
    )
    if not outside:
        figures = {"lowest target": labels.low, "highest target": labels.high}
        symptom = "The outputs of a softmax add up to 1; the targets of an example are free."
    return [
        Finding(
            cause="output_cannot_reach_targets",
            symptom=symptom,
            explanation="What lies outside the range of the output's activation cannot be "
            "predicted.",
            remedy="Leave the last layer without an activation, or scale the targets into its "
            "range.",
            confidence=0.93,
            evidence=figures,
            layer=facts.output_layer,
            part="keras.layers.Dense(units)",
            fix={"activation": "linear"},
            explains=("stuck_at_trivial_predictor", "unscaled_targets", "*"),
        )
    ]


def _reach(low, high):
    if high == inf:
        return f"{low:g} and more"
    return f"{high:g} and less" if low == -inf else f"{low:g} to {high:g}"
