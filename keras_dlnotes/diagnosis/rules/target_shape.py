"""Targets and predictions of different shapes that are broadcast in silence."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def target_shape(evidence: Evidence) -> list[Finding]:
    """A loss compares number with number; shapes that differ are stretched until they fit.

    Threshold: none. Axes of size 1 at the end do not count, as Keras drops them itself; any other
    difference compares predictions with targets that are not theirs. For a loss that is a class of
    the user's own Keras drops nothing, and n targets less a column of n predictions are a matrix;
    that is named where the run went wrong, since such a class may reshape by itself.

    Reference: NumPy, "Broadcasting"; Keras, `losses.squeeze_or_expand_to_same_rank`.
    """
    labels, predicted = evidence.labels, evidence.prediction_shape
    if labels is None or not predicted:
        return []
    target = labels.shape
    if evidence.model.exact_shapes:
        same = target == predicted or np.prod(target) != np.prod(predicted)
        return [] if same or not evidence.went_wrong else [_finding(evidence, target, predicted)]
    if evidence.model.loss is None:
        return []
    if evidence.model.loss.startswith("sparse"):
        predicted = predicted[:-1]
    if _without_ones(target) == _without_ones(predicted):
        return []
    return [_finding(evidence, target, predicted)]


def _finding(evidence, target, predicted):
    return Finding(
        cause="target_shape_mismatch",
        symptom=f"One target has shape {target} and one prediction {predicted}.",
        explanation="The smaller one is broadcast, so that predictions are compared with "
        "targets that are not theirs.",
        remedy="Give the output the targets' shape: as many units, and return_sequences=False "
        "or Flatten before the last layer where one prediction an example is wanted.",
        confidence=0.9,
        evidence={"target shape": str(target), "prediction shape": str(predicted)},
        layer=evidence.model.output_layer,
        part="keras.layers.Flatten",
        explains=("error_in_training", "stuck_at_trivial_predictor", "underfitting", "*"),
    )


def _without_ones(shape):
    shape = list(shape)
    while shape and shape[-1] == 1:
        shape.pop()
    return shape
