"""Layers that no gradient reaches, or that are frozen."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules.dead_units import dead_units

MOST = 0.5


def untrained_layers(evidence: Evidence) -> list[Finding]:
    """What is frozen, or not connected to the loss, stays as it was.

    Thresholds: a model without any trainable weight is always reported, as is a trainable kernel
    whose gradient was missing or exactly 0 at every recorded step. Frozen layers are what transfer
    learning is made of, so they are named only where the run went wrong, half or more of the
    kernels are frozen, and all that is frozen looks as its initializers make it: biases and moving
    means of 0, kernels of the initializer's size.

    Reference: Yosinski, Clune, Bengio and Lipson, "How transferable are features in deep neural
    networks?", 2014.
    """
    layers = [layer for layer in evidence.model.layers if layer.has_kernel]
    if not layers:
        return []
    if evidence.model.trainable_weights == 0:
        return [_finding("The model has no trainable weight.", None, 0.97, {"weights": 0})]
    frozen = [layer for layer in layers if not layer.trainable]
    wrong = evidence.went_wrong
    trained_before = any(not layer.as_drawn for layer in evidence.model.layers)
    if wrong and not trained_before and len(frozen) >= MOST * len(layers):
        figures = {"frozen layers": len(frozen), "layers with weights": len(layers)}
        symptom = "Most layers are frozen at weights that look as they were drawn at random."
        return [_finding(symptom, frozen[0].name, 0.8, figures)]
    if dead_units(evidence):
        return []  # no gradient passes through units that are 0
    recorded = any(tag.startswith("gradients/") for tag in evidence.statistics)
    if not recorded or len(evidence.statistic_steps) < 3:
        return []
    for layer in layers:
        norms = evidence.statistics.get(f"gradients/{layer.weights_path}/norm")
        if not layer.trainable or layer.recurrent:
            continue
        if norms is None or all(norm == 0 for norm in norms):
            if norms is not None and not wrong:
                continue  # what has nothing to learn any more has no gradient either
            figures = {"recorded steps without a gradient": len(evidence.statistic_steps)}
            if not _any_gradient(evidence):
                symptom = "No gradient reaches any layer: the output is saturated, or cut off."
                return [_finding(symptom, None, 0.75, figures)]
            return [_finding("No gradient reaches the layer.", layer.name, 0.75, figures)]
    return []


def _any_gradient(evidence: Evidence) -> bool:
    series = (v for tag, v in evidence.statistics.items() if tag.startswith("gradients/"))
    return any(value > 0 for values in series for value in values)


def _finding(symptom, layer, confidence, figures):
    return Finding(
        cause="untrained_layers",
        symptom=symptom,
        explanation="Its weights stay what they were at the start.",
        remedy="Set trainable=True before compile, and check that the layer's output reaches the "
        "loss (no argmax, round or stop_gradient in between).",
        confidence=confidence,
        evidence=figures,
        layer=layer,
        explains=("stuck_at_trivial_predictor", "underfitting", "*"),
    )
