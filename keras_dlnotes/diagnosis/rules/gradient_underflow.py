"""Gradients too small for float16."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

MOST = 0.5


def gradient_underflow(evidence: Evidence) -> list[Finding]:
    """Float16 has no number between 0 and 6e-8, and half of a network's gradients may lie there.

    Threshold: layers compute in float16 without loss scaling, and in half of the recorded steps the
    gradient of a kernel was exactly 0 while that of the last one was not.

    Reference: Micikevicius et al., "Mixed precision training", 2018, section 3.2.
    """
    facts = evidence.model
    if not facts.half_precision or facts.loss_scaling or not evidence.finished:
        return []
    series = [
        (layer, np.asarray(norms))
        for layer in facts.layers
        if layer.has_kernel and layer.trainable
        if (norms := evidence.statistics.get(f"gradients/{layer.weights_path}/norm"))
    ]
    if len(series) < 2:
        return []
    last = series[-1][1]
    for layer, norms in series[:-1]:
        zeros = float(np.mean((norms == 0) & (last > 0)))
        if zeros >= MOST:
            return [_finding(zeros, layer)]
    return []


def _finding(zeros, layer):
    return Finding(
        cause="gradient_underflow",
        symptom=f"In {zeros:.0%} of the steps the layer's gradient was exactly 0.",
        explanation="The gradients are smaller than float16's smallest number, 6e-8, and the loss "
        "is not scaled.",
        remedy="Leave auto_scale_loss=True in compile, or wrap the optimizer in a "
        "LossScaleOptimizer; or use the policy mixed_bfloat16.",
        confidence=0.9,
        evidence={"steps with gradient 0": zeros, "upper threshold": MOST},
        layer=layer.name,
        part="keras.optimizers.LossScaleOptimizer",
        fix={"loss_scaling": True},
        explains=(
            "stuck_at_trivial_predictor",
            "untrained_layers",
            "vanishing_gradients",
            "underfitting",
            "learning_rate_too_low",
            "too_few_epochs",
        ),
    )
