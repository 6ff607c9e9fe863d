"""Labels that do not depend on the inputs."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

NOTHING = 0.05
FEWEST = 100
UNEQUAL = 0.95
LEARNED_BY_HEART = 0.1  # of few steps of a large network, whose weights need not move far


def unrelated_labels(evidence: Evidence) -> list[Finding]:
    """Shuffled labels, or columns of different rows: nothing learned carries over to new data.

    Thresholds: among at least 100 examples, of which no class has more than 95 %, a textbook method
    explains less than 5 % of what there is to explain when each example is predicted from the
    others (chance alone gives about 1/sqrt(n)), the network as little, and validation, if there is
    any, never got 5 % better than at its start.

    Reference: Zhang, Bengio, Hardt, Recht and Vinyals, "Understanding deep learning requires
    rethinking generalization", 2017: networks memorize shuffled labels.
    """
    if evidence.reference is None or evidence.skill is None or evidence.labels is None:
        return []
    still = evidence.hardly_moved and evidence.skill.best < LEARNED_BY_HEART
    if still or not np.isfinite(evidence.skill.variance):
        return []  # the network had no chance to learn them
    if evidence.most_frequent is not None and evidence.most_frequent > UNEQUAL:
        return []  # with so few others nobody can tell
    count = 0 if evidence.inputs is None else len(evidence.inputs)
    if count < FEWEST or evidence.reference.variance > NOTHING or evidence.model.takes_tokens:
        return []
    validation = evidence.validation_losses
    learned = evidence.skill.variance > 3 * NOTHING
    useless = len(validation) >= 3 and min(validation[1:]) > 0.95 * validation[0]
    if learned and not (useless and validation[-1] > 1.2 * validation[0]):
        return []
    if validation and not useless:
        return []
    return [
        Finding(
            cause="labels_unrelated_to_inputs",
            symptom="The network predicts the labels of new examples no better than it did at the "
            "start, and kernel ridge regression no better than a constant."
            if learned
            else "Neither the network nor kernel ridge regression predicts the labels better than "
            "a constant does.",
            explanation="The labels seem not to depend on the inputs: shuffled separately, joined "
            "on a wrong column, or random.",
            remedy="Check that row i of the inputs belongs to row i of the labels.",
            confidence=0.65,
            evidence={
                "skill of kernel ridge regression": evidence.reference.variance,
                "lower threshold": NOTHING,
                "skill of the network on its training data"
                if learned
                else "skill of the network": evidence.skill.variance,
            },
            explains=("stuck_at_trivial_predictor", "overfitting", "underfitting"),
        )
    ]
