"""Frozen batch normalization whose statistics are not those of what it is given."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

TIMES = 5.0
MOST_OFFSET = 10.0


def frozen_statistics(evidence: Evidence) -> list[Finding]:
    """A frozen network expects inputs, and inner numbers, of the size that it was trained with.

    Threshold: the run could have gone better, and in the first layer of frozen batch normalization,
    or in half of them and more, a typical feature has 5 times the deviation that the running
    statistics say, or a fifth, or a mean that is 10 of these deviations away. Images of another
    kind than the pretraining's change both by a factor of 2 or less. A network at random weights
    is not meant.

    Reference: Li, Wang, Shi, Liu and Hou, "Revisiting batch normalization for practical domain
    adaptation", 2016; Ioffe and Szegedy, "Batch normalization", 2015, section 3.1.
    """
    if not evidence.finished or not (evidence.could_be_better or evidence.hardly_learned):
        return []
    frozen = [
        (layer.name, evidence.normalizations[layer.name])
        for layer in evidence.model.layers
        if layer.name in evidence.normalizations and not layer.trainable
    ]
    if all(layer.as_drawn for layer in evidence.model.layers):
        return []  # nothing was trained before, so nothing is expected
    wrong = [(name, facts) for name, facts in frozen if _is_wrong(facts)]
    if not wrong or (wrong[0] != frozen[0] and 2 * len(wrong) < len(frozen)):
        return []  # behind the first one, edges of the images may keep up the deviation
    layer, facts = wrong[0]
    figures = {"deviation over the expected one": facts.spread, "upper threshold": TIMES}
    if facts.spread <= 1 / TIMES:
        figures = {"deviation over the expected one": facts.spread, "lower threshold": 1 / TIMES}
    elif facts.spread < TIMES:
        figures = {"distance of the mean in deviations": facts.offset}
        figures |= {"upper threshold": MOST_OFFSET}
    return [
        Finding(
            cause="frozen_statistics_do_not_fit",
            symptom=f"{len(wrong)} of {len(frozen)} frozen layers of batch normalization are given "
            "numbers of another size than they were trained with.",
            explanation="The inputs are scaled otherwise than for the pretraining, or the running "
            "means and variances are not those of the network's weights.",
            remedy="Prepare the inputs as for the pretraining (its preprocess_input; some "
            "networks rescale by themselves), and load the moving statistics with the weights.",
            confidence=0.87,
            evidence=figures,
            layer=layer,
            part="keras.applications.*.preprocess_input",
            explains=(
                "stuck_at_trivial_predictor",
                "underfitting",
                "too_few_epochs",
                "unscaled_inputs",
                "untrained_layers",
                "exploding_block",
                "initial_loss_far_from_chance",
                "exploding_gradients",
                "learning_rate_too_high",
                "dead_units",
            ),
        )
    ]


def _is_wrong(facts):
    if not np.isfinite([facts.spread, facts.offset]).all():
        return False
    return not 1 / TIMES < facts.spread < TIMES or facts.offset >= MOST_OFFSET
