"""A loss that became NaN or infinite."""

import numpy as np

from keras_dlnotes.diagnosis.finding import Finding


def non_finite_loss(evidence):
    """Once the loss is not finite, neither are the weights, and training is over.

    Threshold: a single one. The first layer with a non-finite output, in the model's order at the
    first step that has any, is where it came from; without one it came from the loss itself.

    Reference: Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 4.1.
    """
    losses = [*evidence.losses, *evidence.epoch_losses]
    if all(np.isfinite(losses)):
        return []
    layer, step = _origin(evidence)
    if step is None:
        steps = [
            s
            for s, loss in zip(evidence.loss_steps, evidence.losses, strict=True)
            if not np.isfinite(loss)
        ]
        step = steps[0] if steps else None
    return [
        Finding(
            cause="non_finite_loss",
            symptom="The loss became NaN or infinite.",
            explanation="Numbers overflowed"
            + (f", first in the output of layer {layer!r}." if layer else ", first in the loss."),
            remedy="Lower the learning rate, pass clipnorm=1.0 to the optimizer, and scale inputs "
            "and targets.",
            confidence=0.9,
            evidence={"first finite loss": _first_finite(losses)},
            layer=layer,
            step=step,
            part="keras.optimizers (clipnorm)",
            fix={"learning_rate": (evidence.model.learning_rate or 1e-3) / 100},
            explains=("stuck_at_trivial_predictor", "exploding_gradients", "dead_units"),
        )
    ]


def _origin(evidence):
    best = (None, None)
    for layer in evidence.model.layers:
        counts = evidence.statistics.get(f"activations/{layer.name}/non_finite_count", [])
        steps = [
            s
            for s, count in zip(evidence.statistic_steps, counts, strict=False)
            if count > 0 or np.isnan(count)
        ]
        if steps and (best[1] is None or steps[0] < best[1]):
            best = (layer.name, steps[0])
    return best


def _first_finite(losses):
    return next((float(loss) for loss in losses if np.isfinite(loss)), float("nan"))
