"""Units that all start the same."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def symmetric_weights(evidence: Evidence) -> list[Finding]:
    """Units with the same weights get the same gradient and stay one and the same unit for ever.

    Threshold: none, the columns of a hidden kernel are equal at the start, and still are after
    training (or the run went wrong). A last layer of zeros alone is a sound choice and not meant.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 8.4.
    """
    symmetric = [layer for layer in evidence.model.hidden if layer.identical_units]
    if not symmetric:
        return []
    still = [layer for layer in symmetric if layer.name in evidence.trained_symmetric]
    if not still and not evidence.went_wrong:
        return []
    layer = (still or symmetric)[0]
    return [
        Finding(
            cause="symmetric_weights",
            symptom="All units of the layer start with the same weights.",
            explanation="They compute the same, get the same gradient, and remain one unit.",
            remedy="Initialize with random numbers: He for ReLU, Xavier for tanh.",
            confidence=0.93 if still else 0.75,
            evidence={
                "layers that started so": len(symmetric),
                "layers that are still so": len(still),
            },
            layer=layer.name,
            part="kd.initializers.initialize(model, kd.initializers.He())",
            fix={"initializer": "he"},
            explains=("stuck_at_trivial_predictor", "vanishing_gradients", "dead_units", "*"),
        )
    ]
