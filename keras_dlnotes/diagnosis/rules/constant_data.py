"""Inputs or targets that are the same for every example."""

import numpy as np

from keras_dlnotes.diagnosis.conventions import PROBABILITIES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

_FEWEST = 8  # examples; fewer may well be alike by chance


def constant_data(evidence: Evidence) -> list[Finding]:
    """Where nothing varies there is nothing to learn from, or nothing to learn.

    Threshold: all of at least 8 different steps' examples alike, targets of classes in more than
    one epoch; single constant features (an image's border) are harmless and not reported.

    Reference: Shannon, 1948: a constant carries no information.
    """
    labels = evidence.labels
    if labels is None or evidence.inputs is None or evidence.model.loss is None:
        return []  # a loss of the user's own may have no use for targets
    found = []
    # The sample holds alike examples once; how many there were, the length of an epoch tells.
    examples = (evidence.steps_per_epoch or evidence.steps) * (evidence.batch_size or 1)
    if examples < _FEWEST or (not evidence.finished and len(evidence.statistic_steps) < _FEWEST):
        return []  # of sorted data the first steps show but one class
    # A rare class may be missing from the batches that the first epoch has shown.
    classes = evidence.model.loss in PROBABILITIES
    known = evidence.finished or not classes or len(evidence.epoch_losses) > 1
    if labels.low == labels.high and known:
        found.append(_finding("targets", labels.low))
    # An embedding cuts off what follows the point: tokens scaled to 0...1 are all the first word.
    inputs = np.trunc(evidence.inputs) if evidence.model.takes_tokens else evidence.inputs
    if np.all(inputs == inputs[:1]):
        found.append(_finding("inputs", float(inputs.flat[0])))
    return found


def _finding(what, value):
    return Finding(
        cause=f"constant_{what}",
        symptom=f"All {what} that were seen are the same.",
        explanation="A model can learn nothing from them but a constant.",
        remedy=f"Look at how the {what} are loaded, encoded and normalized (whole numbers divided "
        "by a whole number, a wrong column, a lost class).",
        confidence=0.93,
        evidence={"value": value},
        explains=("stuck_at_trivial_predictor", "unscaled_inputs", "*"),
    )
