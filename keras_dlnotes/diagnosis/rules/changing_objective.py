"""A second-order method whose loss changes by itself."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def changing_objective(evidence: Evidence) -> list[Finding]:
    """A line search or trust region compares losses: they must be those of one function.

    Threshold: none of its own. The optimizer has evaluated one point twice and has stopped since
    the losses differ by more than rounding. What was learned by then does not matter: it could go
    on.

    Reference: Nocedal and Wright, "Numerical Optimization", 2006, chapter 3.
    """
    if evidence.optimizer_status != "not deterministic":
        return []
    name = evidence.model.optimizer_name.rpartition(".")[2]
    several = (evidence.steps_per_epoch or 1) > 1
    accumulates = evidence.model.optimizer in ("lbfgs", "bfgs")
    return [
        Finding(
            cause="changing_objective",
            symptom=f"{name} saw two losses at the same weights and has stopped there.",
            explanation="It judges each step by the loss, so every evaluation must be of the same "
            "function: the same examples, without dropout and random augmentation.",
            remedy=_whole_batch(accumulates)
            if several
            else "Remove dropout and random augmentation from the model, or train by Adam.",
            confidence=0.93,
            evidence={"steps of an epoch": evidence.steps_per_epoch or 1},
            part="model.fit(batch_size=len(x))" if several else "keras.optimizers.Adam()",
            fix={} if several else {"optimizer": "adam"},
            explains=(
                "stuck_at_trivial_predictor",
                "underfitting",
                "too_few_epochs",
                "learning_rate_too_low",
                "batch_size_too_small",
                "*",
            ),
        )
    ]


def _whole_batch(accumulates):
    larger = ", or the callback FullBatch if the data are larger than memory" if accumulates else ""
    return f"Pass batch_size=len(x){larger}; or train by Adam."
