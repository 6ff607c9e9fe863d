"""A layer whose outputs are far larger than all others'."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import HE

LARGE = 20.0
VERY_LARGE = 100.0
SURE = 1000.0
FEWEST = 2  # layers before it


def exploding_block(evidence: Evidence) -> list[Finding]:
    """One block with outputs far above the others' drowns what reaches the same sum around it.

    Threshold: at the first step and after training, the standard deviation of a hidden layer's
    outputs is 20 times 1, the size of the inputs, and that of the median layer before it, and the
    run could have gone better; or 1000 times, in any run. A layer that a normalization follows is
    not meant.

    Reference: Hanin and Rolnick, "How to start training: the effect of initialization and
    architecture", 2018, on residual networks; He et al., 2015, section 2.2.
    """
    if not evidence.finished:
        return []
    limit = LARGE if evidence.could_be_better else SURE
    ratios = [_ratios(evidence, sizes) for sizes in (_first_sizes(evidence), _sizes(evidence))]
    for layer in evidence.model.layers:
        ratio = min(found.get(layer.name, 0.0) for found in ratios)
        if ratio >= limit and not _is_normalized(evidence.model, layer):
            return [_finding(ratio, limit, layer, evidence)]
    return []


def _first_sizes(evidence):
    """Layers' outputs at the first recorded step."""
    series = {
        layer.name: evidence.statistics.get(f"activations/{layer.name}/standard_deviation")
        for layer in evidence.model.layers
    }
    return {name: values[0] for name, values in series.items() if values}


def _sizes(evidence):
    return {name: units.deviation for name, units in evidence.units.items()}


def _ratios(evidence, sizes):
    """By hidden layer, the size of its outputs over what is usual before it."""
    facts, given = evidence.model, evidence.inputs_scaled_to
    if facts.takes_tokens or evidence.inputs is None:
        given = 1.0
    elif given is None:
        given = float(np.sqrt(np.mean(evidence.inputs**2)))
    ratios: dict[str, float] = {}
    before: list[float] = []
    for layer in facts.layers:
        size = sizes.get(layer.name, np.nan)
        if not np.isfinite(size) or layer.is_output or layer.name == facts.output_layer:
            continue
        if len(before) >= FEWEST:
            ratios[layer.name] = size / max(float(np.median(before)), given, 1.0)
        before.append(size)
    return ratios


def _is_normalized(facts, layer):
    """Whether the next layer brings the outputs back to unit size."""
    place = facts.layers.index(layer)
    behind = facts.layers[place + 1 : place + 2]
    return bool(behind) and "Normalization" in behind[0].kind


def _finding(ratio, limit, layer, evidence):
    wrong = evidence.went_wrong
    return Finding(
        cause="exploding_block",
        symptom=f"The layer's outputs are {ratio:.2g} times as large as those of layers before it.",
        explanation="Where they are added to others, these no longer count, and the steps that "
        "suit the other layers are far too large for this one.",
        remedy=f"Initialize this layer as the others, with {HE[0]}; normalize its outputs; start "
        "a residual block's last layer with zeros.",
        confidence=0.82 if wrong and ratio >= VERY_LARGE else 0.7 if wrong else 0.6,
        evidence={"size over the usual one": ratio, "upper threshold": limit},
        layer=layer.name,
        part=f"{HE[1]}, keras.layers.LayerNormalization",
        explains=(
            "exploding_gradients",
            "untrained_layers",  # outputs this sure of themselves have no gradient
            "stuck_at_trivial_predictor",
            "underfitting",
            "too_few_epochs",
            "initial_loss_far_from_chance",
            "dead_units",
        ),
    )
