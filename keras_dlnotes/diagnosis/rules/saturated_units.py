"""Units of tanh or sigmoid that are flat for nearly every example."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import better_start, listed

MOST = 0.8


def saturated_units(evidence: Evidence) -> list[Finding]:
    """Where tanh and sigmoid are flat there is next to no gradient.

    Threshold: 80 % of a hidden layer's outputs lie where the slope is below 5 % of its largest
    value, and the run went wrong. Trained gates and outputs are often saturated and rightly so,
    and the output layer is not looked at.

    Reference: Glorot and Bengio, 2010, section 3.
    """
    if not evidence.went_wrong:
        return []
    for layer in evidence.model.layers:
        facts = evidence.units.get(layer.name)
        if (
            layer.gate
            or facts is None
            or facts.saturated is None
            or layer.name == evidence.model.output_layer
        ):
            continue
        if facts.saturated >= MOST:
            start = better_start(evidence.model, layer.activation)
            return [
                Finding(
                    cause="saturated_units",
                    symptom=f"{facts.saturated:.0%} of the layer's outputs are saturated.",
                    explanation=f"There {layer.activation} is flat and passes no gradient.",
                    remedy=listed(
                        "scale the inputs",
                        start and f"start with other weights ({start[0]})",
                        "lower the learning rate",
                        "use ReLU",
                    ),
                    confidence=0.72,
                    evidence={"share of saturated": facts.saturated, "upper threshold": MOST},
                    layer=layer.name,
                    part='activation="relu"' + (f", {start[1]}" if start else ""),
                    fix={"hidden_activation": "relu"}
                    | ({"initializer": start[2]} if start else {}),
                    explains=("stuck_at_trivial_predictor", "vanishing_gradients", "underfitting"),
                )
            ]
    return []
