"""Random changes of images that change what is to be told of them."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

LEAST = 0.4
MOST_KEPT = 0.3
PARTLY_KEPT = 0.7
NEAR = 0.15


def augmentation(evidence: Evidence) -> list[Finding]:
    """An image that is turned or flipped must still be one of its class.

    Threshold: the run went wrong, kernel ridge regression has a skill of 0.4 and more on the
    images as they are, and less than 0.3 of it on images as a random layer of the model changes
    them, each predicted from the others; or less than 0.7, and the network has learned about as
    much as that, by 0.15.

    Reference: Shorten and Khoshgoftaar, "A survey on image data augmentation for deep learning",
    2019, on the safety of an augmentation; Chen, Dobriban and Lee, 2020.
    """
    before, after = evidence.reference, evidence.augmented_reference
    if before is None or after is None or not evidence.went_wrong:
        return []
    kept = MOST_KEPT
    if evidence.skill is not None and abs(evidence.skill.best - after.best) <= NEAR:
        kept = PARTLY_KEPT
    if before.best < LEAST or after.best >= kept * before.best:
        return []
    return [
        Finding(
            cause="augmentation_destroys_class",
            symptom="Of images as the layer changes them kernel ridge regression learns "
            f"{max(after.best, 0.0):.2f} instead of {before.best:.2f} of the skill.",
            explanation="What tells the classes apart is lost: a flip swaps left and right, a turn "
            "makes a 9 of a 6, a crop leaves out the object.",
            remedy="Leave out the layer, or let it change less.",
            confidence=0.84 if after.best < MOST_KEPT * before.best else 0.7,
            evidence={
                "skill of kernel ridge regression with it": after.best,
                "lower threshold": kept * before.best,
                "skill without": before.best,
            },
            layer=evidence.augmentation,
            part=f"layer {evidence.augmentation!r}",
            explains=("stuck_at_trivial_predictor", "underfitting", "too_few_epochs"),
        )
    ]
