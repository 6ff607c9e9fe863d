"""Gradients that vanish or explode on their way back."""

import numpy as np

from keras_dlnotes.diagnosis.finding import Finding

VANISHING = 1e-3
EXPLODING = 1e3


def gradient_flow(evidence):
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
        return [_vanishing(first[0] / last[0], first[2].name)]
    return []


def _vanishing(ratio, layer):
    return Finding(
        cause="vanishing_gradients",
        symptom=f"The first layer's gradient is {ratio:.1g} of the last one's.",
        explanation="Each layer multiplies the gradient by its slope and weights, and here they "
        "make it smaller and smaller.",
        remedy="Use ReLU or tanh with He or Xavier initialization, batch normalization, or fewer "
        "layers.",
        confidence=0.75,
        evidence={"gradient, first over last": ratio, "threshold": VANISHING},
        layer=layer,
        part="kd.initializers.He, kd.initializers.Xavier",
        fix={"hidden_activation": "relu", "initializer": "he"},
        explains=("stuck_at_trivial_predictor", "too_few_epochs", "underfitting"),
    )


def _exploding(norm, layer, evidence):
    return Finding(
        cause="exploding_gradients",
        symptom=f"Gradient norms of about {norm:.2g}.",
        explanation="Steps this large leave the region in which the gradient tells anything.",
        remedy="Scale inputs and targets, pass clipnorm=1.0 to the optimizer, and initialize by "
        "He or Xavier.",
        confidence=0.6,
        evidence={"median gradient norm": float(np.round(norm, 3)), "threshold": EXPLODING},
        layer=layer,
        part="keras.optimizers (clipnorm)",
        fix={"learning_rate": (evidence.model.learning_rate or 1e-3) / 100},
        explains=("stuck_at_trivial_predictor",),
    )
