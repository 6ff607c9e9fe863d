"""A first loss far above that of a constant prediction."""

from math import inf, log

from keras_dlnotes.diagnosis.conventions import REGRESSION_LOSSES
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import better_start, listed

FAR = 5.0
UNSURE = 1.5


def initial_loss(evidence: Evidence) -> list[Finding]:
    r"""A fresh classifier should be undecided: its loss about \(\ln k\) for k balanced classes.

    Threshold: named where the run went wrong and the first loss is above 5 times that of the best
    constant prediction, and above 1.5 ln(k). Regression is left out, since its
    targets' scale decides there.

    Reference: Karpathy, "A recipe for training neural networks", 2019: verify the loss at the
    start.
    """
    chance = evidence.constant_prediction_loss
    if not evidence.went_wrong or not evidence.losses or not chance:
        return []
    first = evidence.losses[0]
    start = better_start(evidence.model)
    # With very unequal classes a constant's loss is far below that of an undecided network.
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else 1
    undecided = log(max(units, 2))
    far = max(FAR * chance, UNSURE * undecided)
    if evidence.model.loss in REGRESSION_LOSSES or not far < first < inf:
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
