"""An embedding that stays as it was drawn."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

FEWEST = 3  # recorded steps


def untrained_embedding(evidence: Evidence) -> list[Finding]:
    """Random vectors say of no word what it means.

    Threshold: the run could have gone better, and an embedding is frozen at vectors of its
    initializer's size, or no gradient reached it at any recorded step.

    Reference: Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", 2003.
    """
    if not evidence.finished or not (evidence.could_be_better or evidence.hardly_learned):
        return []
    known = any(tag.startswith("gradients/") for tag in evidence.statistics)
    for layer in evidence.model.layers:
        if layer.embeddings_path is None:
            continue
        if not layer.trainable:
            if layer.as_drawn:
                return [_finding(layer, "It is frozen at vectors that look as drawn at random.")]
            continue
        norms = evidence.statistics.get(f"gradients/{layer.embeddings_path}/norm", ())
        if known and len(evidence.statistic_steps) >= FEWEST and not any(norms):
            return [_finding(layer, "No gradient reached it.")]
    return []


def _finding(layer, seen):
    return Finding(
        cause="embedding_not_trained",
        symptom=f"The embedding has not learned anything. {seen}",
        explanation="The layers behind it have to tell the words apart by random numbers.",
        remedy="Set trainable=True before compile, or load vectors that were trained; check that "
        "nothing between it and the loss ends the gradient (stop_gradient, argmax, NumPy).",
        confidence=0.86,
        evidence={"frozen": not layer.trainable},
        layer=layer.name,
        part="keras.layers.Embedding",
        fix={} if layer.trainable else {"trainable": True},
        explains=(
            "stuck_at_trivial_predictor",
            "underfitting",
            "too_few_epochs",
            "vanishing_gradients",
            "learning_rate_too_low",
        ),
    )
