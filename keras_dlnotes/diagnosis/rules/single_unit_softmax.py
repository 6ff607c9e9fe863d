"""A softmax over one unit is always 1."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def single_unit_softmax(evidence: Evidence) -> list[Finding]:
    """Softmax divides by the sum over the units: with one unit the output is 1, whatever comes in.

    Threshold: none; it is arithmetic. On TensorFlow the loss may fall all the same, because Keras
    hands the logits to the cross-entropy.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 6.2.2.3.
    """
    units = evidence.prediction_shape[-1] if evidence.prediction_shape else None
    if evidence.model.output_activation != "softmax" or units != 1:
        return []
    labels = evidence.labels
    amounts = labels is not None and labels.kind == "real"
    return [
        Finding(
            cause="softmax_with_one_unit",
            symptom="Every prediction is exactly 1.",
            explanation="A softmax normalizes over the output's units, and there is one.",
            remedy="Leave the output without an activation, with a regression loss."
            if amounts
            else 'Use activation="sigmoid" with loss="binary_crossentropy" for two classes, or '
            "one unit a class with softmax.",
            confidence=0.98,
            evidence={"output units": 1, "output activation": "softmax"},
            layer=evidence.model.output_layer,
            part="keras.layers.Dense(1)"
            if amounts
            else 'keras.layers.Dense(1, activation="sigmoid")',
            fix={"activation": "linear", "loss": "mse"}
            if amounts
            else {"activation": "sigmoid", "loss": "binary_crossentropy"},
            explains=("stuck_at_trivial_predictor", "*"),
        )
    ]
