"""Targets that the output's activation cannot reach."""

from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules.loss_and_output import REGRESSION_LOSSES

RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, float("inf")),
    "exponential": (0.0, float("inf")),
}
FAR = 0.5
_MARGIN = 0.01  # of the targets' span; below it labels are at the edge up to rounding


def output_range(evidence):
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
    return [
        Finding(
            cause="output_cannot_reach_targets",
            symptom=f"Targets lie between {labels.low:.3g} and {labels.high:.3g}; the output "
            f"activation {facts.output_activation!r} reaches {low:g} to {high:g}.",
            explanation="What lies outside the range of the output's activation cannot be "
            "predicted.",
            remedy="Leave the last layer without an activation, or scale the targets into its "
            "range.",
            confidence=0.93,
            evidence={
                "lowest target": labels.low,
                "highest target": labels.high,
                "lower threshold": low,
                "upper threshold": high,
            },
            layer=facts.output_layer,
            part="keras.layers.Dense(units)",
            fix={"activation": "linear"},
            explains=("stuck_at_trivial_predictor", "unscaled_targets", "*"),
        )
    ]
