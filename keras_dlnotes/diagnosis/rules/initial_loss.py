"""A first loss far above that of a constant prediction."""

from math import inf

from keras_dlnotes.diagnosis.conventions import REGRESSION_LOSSES
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedies import better_start, listed

FAR = 5.0


def initial_loss(evidence):
    r"""A fresh classifier should be undecided: its loss about \(\ln k\) for k balanced classes.

    Threshold: named where the run went wrong and the first loss is above 5 times that of the best
    constant prediction. Regression is left out, since its targets' scale decides there.

    Reference: Karpathy, "A recipe for training neural networks", 2019: verify the loss at the
    start.
    """
    chance = evidence.constant_prediction_loss
    if not evidence.went_wrong or not evidence.losses or not chance:
        return []
    first = evidence.losses[0]
    start = better_start(evidence.model)
    if evidence.model.loss in REGRESSION_LOSSES or not FAR * chance < first < inf:
        return []
    return [
        Finding(
            cause="initial_loss_far_from_chance",
            symptom=f"The first loss was {first:.3g}; a constant prediction has {chance:.3g}.",
            explanation="The fresh network is sure of itself and wrong: its inputs or weights are "
            "too large.",
            remedy=listed(
                "scale the inputs", start and f"initialize with smaller weights ({start[0]})"
            ),
            confidence=0.58,
            evidence={
                "first loss over a constant's": first / chance,
                "upper threshold": FAR,
                "first loss": first,
                "loss of a constant": chance,
            },
            part=start[1] if start else "keras.layers.Normalization",
            fix={"initializer": start[2]} if start else {"standardize": True},
        )
    ]
