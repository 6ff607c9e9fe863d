"""Gradients that vanish or explode on their way back."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import better_start, clipping, listed

VANISHING = 1e-3
EXPLODING = 1e3
# Their slope is below 1, or is it nearly everywhere.
_WEAK = ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "tanh", "hard_tanh", "softsign")


def gradient_flow(evidence: Evidence) -> list[Finding]:
    """The gradient of an early layer is a product over all later ones.

    Thresholds: named where the run went wrong, and the root mean square of the first kernel's
    gradient is below a thousandth of the last one's (with sigmoids, whose slope is at most 1/4,
    that is five layers), or a gradient's norm is above 1000 for half of the recorded steps.

    Reference: Hochreiter, 1991; Bengio, Simard and Frasconi, 1994; Pascanu, Mikolov and Bengio,
    "On the difficulty of training recurrent neural networks", 2013, section 2.
    """
    if not evidence.went_wrong:
        return []
    sizes = []
    for layer in evidence.model.layers:
        if layer.has_kernel and layer.weights_path:
            size = evidence.median_of(f"gradients/{layer.weights_path}/standard_deviation", 1.0)
            norm = evidence.median_of(f"gradients/{layer.weights_path}/norm", 1.0)
            if size is not None and norm is not None:
                sizes.append((size, norm, layer))
    if not sizes:
        return []
    largest = max(norm for _, norm, _ in sizes)
    if largest > EXPLODING:
        return [_exploding(largest, max(sizes, key=lambda item: item[1])[2].name, evidence)]
    first, last = sizes[0], sizes[-1]
    if len(sizes) >= 2 and last[0] > 0 and 0 < first[0] / last[0] < VANISHING:
        return [_vanishing(first[0] / last[0], first[2].name, evidence.model)]
    return []


def first_over_last(evidence):
    """The first kernel's gradient over the last one's at each recorded step; None if unknown."""
    tags = [
        f"gradients/{layer.weights_path}/standard_deviation"
        for layer in evidence.model.layers
        if layer.has_kernel
    ]
    series = [np.asarray(evidence.statistics[tag]) for tag in tags if tag in evidence.statistics]
    if len(series) < 2 or len(series[0]) != len(series[-1]) or not np.all(series[-1] > 0):
        return None
    return series[0] / series[-1]


def _vanishing(ratio, layer, facts):
    weak = any(other.activation in _WEAK for other in facts.hidden)
    activation = "relu" if weak else None
    start = better_start(facts, activation)
    normalized = any("Normalization" in other.kind for other in facts.layers)
    return Finding(
        cause="vanishing_gradients",
        symptom=f"The first layer's gradient is {ratio:.1g} of the last one's.",
        explanation="Each layer multiplies the gradient by its slope and weights, and here they "
        "make it smaller and smaller.",
        remedy=listed(
            weak and "use ReLU in the hidden layers",
            start and f"initialize by {start[0]}",
            None if normalized else "use batch normalization",
            "use fewer layers",
        ),
        confidence=0.75,
        evidence={"gradient, first over last": ratio, "lower threshold": VANISHING},
        layer=layer,
        part=start[1] if start else "keras.layers.BatchNormalization",
        fix=({"hidden_activation": "relu"} if weak else {})
        | ({"initializer": start[2]} if start else {}),
        explains=("stuck_at_trivial_predictor", "too_few_epochs", "underfitting"),
    )


def _exploding(norm, layer, evidence):
    start = better_start(evidence.model)
    lower, part, fix = clipping(evidence.model)
    return Finding(
        cause="exploding_gradients",
        symptom=f"Gradient norms of about {norm:.2g}.",
        explanation="Steps this large leave the region in which the gradient tells anything.",
        remedy=listed("scale inputs and targets", lower, start and f"initialize by {start[0]}"),
        confidence=0.6,
        evidence={"median gradient norm": norm, "upper threshold": EXPLODING},
        layer=layer,
        part=part,
        fix=fix,
        explains=("stuck_at_trivial_predictor",),
    )
