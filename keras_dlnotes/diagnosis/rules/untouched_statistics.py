"""Batch normalization that normalized nothing in training."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

FEWEST = 10  # steps


def untouched_statistics(evidence: Evidence) -> list[Finding]:
    """In inference mode batch normalization uses its running statistics, and leaves them alone.

    Threshold: the run could have gone better, and after at least 10 steps the running mean and
    variance of a trained layer still are 0 and 1, its start. Fine-tuning in inference mode, as is
    recommended, has those of the pretraining.

    Reference: Ioffe and Szegedy, "Batch normalization", 2015, section 3.1; Keras, "Transfer
    learning and fine-tuning", on `training=False`.
    """
    if not evidence.finished or evidence.steps < FEWEST or not evidence.could_be_better:
        return []
    trained = [
        layer.name
        for layer in evidence.model.layers
        if layer.name in evidence.normalizations and layer.trainable
    ]
    untouched = [name for name in trained if evidence.normalizations[name].untouched]
    if not untouched:
        return []
    return [
        Finding(
            cause="batch_normalization_never_trained",
            symptom=f"{len(untouched)} of {len(trained)} layers of batch normalization still have "
            f"mean 0 and variance 1 after {evidence.steps} steps.",
            explanation="They ran in inference mode (called with training=False) and normalized "
            "nothing, so that the network has no normalization.",
            remedy="Leave out training=False where the network is trained from the start; keep it "
            "for pretrained networks alone.",
            confidence=0.89,
            evidence={"untouched layers": len(untouched), "steps": evidence.steps},
            layer=untouched[0],
            part="keras.layers.BatchNormalization",
            explains=(
                "stuck_at_trivial_predictor",
                "underfitting",
                "too_few_epochs",
                "exploding_block",
                "exploding_gradients",
                "vanishing_gradients",
                "dead_units",
                "non_finite_loss",
                "initial_loss_far_from_chance",
                "learning_rate_too_high",
            ),
        )
    ]
