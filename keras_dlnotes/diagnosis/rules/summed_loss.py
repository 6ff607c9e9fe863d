"""A loss that is summed over the batch."""

import numpy as np

from keras_dlnotes.diagnosis.conventions import SCALE_FREE
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import OF_WRONG_SCALE, Finding
from keras_dlnotes.diagnosis.rules.learning_rate import usual_rates


def summed_loss(evidence: Evidence) -> list[Finding]:
    """A sum over n numbers has n times the gradient of their mean, and wants an nth of the rate.

    Threshold: the loss has reduction="sum", the run went wrong, and the rate times the number of
    terms is above what is usual. Optimizers that divide by the gradient's size hardly depend on it
    and are not meant.

    Reference: Goyal et al., "Accurate, large minibatch SGD", 2017, section 3: normalization by the
    batch's size.
    """
    facts = evidence.model
    if facts.loss_reduction != "sum" or not evidence.went_wrong or facts.optimizer in SCALE_FREE:
        return []
    numbers = (evidence.batch_size or 1) * int(np.prod(evidence.prediction_shape[:-1] or (1,)))
    if facts.learning_rate is None or facts.learning_rate * numbers <= usual_rates(facts)[1]:
        return []
    return [
        Finding(
            cause="loss_not_averaged",
            symptom=f"The loss is a sum, of about {numbers} terms.",
            explanation="Its gradient is as many times that of a mean, and so are the steps of the "
            "same learning rate.",
            remedy='Use reduction="sum_over_batch_size", the usual one, or divide the learning '
            f"rate by {numbers}.",
            confidence=0.88,
            evidence={"terms": numbers},
            part='reduction="sum_over_batch_size"',
            fix={"loss": facts.loss} if facts.loss and not facts.from_logits else {},
            explains=(
                *OF_WRONG_SCALE,
                "learning_rate_too_high",
                "regularization_too_strong",
                "initial_loss_far_from_chance",
                "batch_statistics_lag",
                "exploding_block",
            ),
        )
    ]
