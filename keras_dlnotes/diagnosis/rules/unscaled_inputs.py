"""Inputs far from the size that weights are initialized for."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, consequences_of_scale

LARGE = 5.0
VERY_LARGE = 20.0
RAW = 50.0
SMALL = 0.01
UNCENTERED = 5.0


def unscaled_inputs(evidence: Evidence) -> list[Finding]:
    """Initial weights keep the scale of inputs of about unit size; others arrive as large.

    Thresholds: a root mean square above 5 is named where the run went wrong, since the loss's
    curvature grows with its square, and a step that suits one direction is then 25 times off;
    above 20 also where the run learned, but less than the data make easy. Below 0.01 the first
    layer sees nothing but its bias. A model that normalizes first, by a layer or a function of
    its own, or looks up tokens, is not meant.

    Reference: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.3.
    """
    facts = evidence.model
    if evidence.inputs is None or facts.normalizes_inputs or facts.takes_tokens:
        return []
    inputs = evidence.inputs[np.isfinite(evidence.inputs).all(axis=1)]
    if len(inputs) < 2 or not any(layer.has_kernel for layer in facts.layers):
        return []
    deviations = inputs.std(axis=0)
    size = float(np.sqrt(np.mean(inputs**2)))
    scaled_to = evidence.inputs_scaled_to
    if scaled_to is not None and _is_usual(scaled_to) and not _is_usual(size):
        return []  # what they are before that does not matter
    spread = float(deviations.max())
    offset = float(np.abs(inputs.mean(axis=0)).max())
    confidence, figures = _confidence(evidence, size, spread, offset)
    if confidence is None:
        return []
    return [
        Finding(
            cause="unscaled_inputs",
            symptom=f"The inputs have a root mean square of {size:.3g}.",
            explanation="Weights are initialized for inputs of about unit size; with others the "
            "first layer's outputs and gradients have the wrong scale, units saturate or die, and "
            "no learning rate suits all directions.",
            remedy="Standardize each feature (subtract the mean, divide by the standard "
            "deviation), or divide pixels by 255.",
            confidence=confidence,
            evidence=figures,
            part="keras.layers.Normalization",
            fix={"standardize": True},
            explains=(*consequences_of_scale(evidence), "untrained_layers", "too_few_epochs"),
        )
    ]


def _is_usual(size):
    return SMALL < size < LARGE / 2


def _confidence(evidence, size, spread, offset):
    """How sure it is, and the figures that decide; None and none where it is not the case."""
    large = {"root mean square": size, "upper threshold": LARGE}
    if not evidence.went_wrong:
        if size < VERY_LARGE or not evidence.could_be_better:
            return None, {}
        return 0.65, large | {"upper threshold": VERY_LARGE}
    if size >= LARGE:
        return 0.88 if size >= RAW else 0.8 if size >= VERY_LARGE else 0.62, large
    if spread <= SMALL:
        return 0.7, {"largest deviation of a feature": spread, "lower threshold": SMALL}
    if spread > 0 and offset / spread >= UNCENTERED and size > 1:
        return 0.6, {"mean over deviation": offset / spread, "upper threshold": UNCENTERED}
    return None, {}
