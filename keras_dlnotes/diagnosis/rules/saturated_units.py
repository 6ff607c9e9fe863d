"""Units of tanh or sigmoid that are flat for nearly every example."""

from keras_dlnotes.diagnosis.finding import Finding

MOST = 0.8


def saturated_units(evidence):
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
        if facts is None or facts.saturated is None or layer.name == evidence.model.output_layer:
            continue
        if facts.saturated >= MOST:
            return [
                Finding(
                    cause="saturated_units",
                    symptom=f"{facts.saturated:.0%} of the layer's outputs are saturated.",
                    explanation=f"There {layer.activation} is flat and passes no gradient.",
                    remedy="Scale the inputs, start with smaller weights (Xavier), lower the "
                    "learning rate, or use ReLU.",
                    confidence=0.72,
                    evidence={"saturated outputs": facts.saturated, "threshold": MOST},
                    layer=layer.name,
                    part="kd.initializers.Xavier",
                    fix={"initializer": "xavier", "hidden_activation": "relu"},
                    explains=("stuck_at_trivial_predictor", "vanishing_gradients", "underfitting"),
                )
            ]
    return []
