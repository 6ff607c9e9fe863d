"""A limit of the gradients that every step exceeds."""

import numpy as np

from keras_dlnotes.diagnosis.conventions import SCALE_FREE
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.remedy_wording import optimizer_call

TIMES = 10.0
STEPS = 0.9


def gradient_clipping(evidence: Evidence) -> list[Finding]:
    """A limit is meant for the rare gradient that explodes; below all of them it is a slower rate.

    Threshold: the run went wrong, and in nine of ten recorded steps the largest gradient of a
    variable was 10 times the limit. Optimizers that divide by the gradient's size are not meant.

    Reference: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", 2013, section 3.2: a limit of half to ten times the average norm.
    """
    facts = evidence.model
    if facts.clipping is None or not evidence.went_wrong or facts.optimizer in SCALE_FREE:
        return []
    name, limit = facts.clipping
    statistic = "largest_magnitude" if name == "clipvalue" else "norm"
    series = [
        values
        for tag, values in evidence.statistics.items()
        if tag.startswith("gradients/") and tag.endswith(f"/{statistic}")
    ]
    if not series:
        return []
    # Variables are limited one by one or together; the largest is what is cut most.
    largest = np.array([max(values) for values in zip(*series, strict=False)]) / limit
    if not np.isfinite(largest).all() or np.mean(largest >= TIMES) < STEPS:
        return []
    typical = float(np.median(largest)) * limit
    new = float(f"{2 * typical:.1g}")
    return [
        Finding(
            cause="clipping_always_active",
            symptom=f"The gradients are {typical / limit:.2g} times the limit {name}={limit:g}.",
            explanation="Each step is made shorter by this factor, which is but a learning "
            "rate that is as much lower.",
            remedy=f"Use {name}={new:g}, a little above a usual gradient, or none.",
            confidence=0.87,
            evidence={
                "gradient over the limit": typical / limit,
                "upper threshold": TIMES,
                "limit": limit,
            },
            part=optimizer_call(facts, **{name: new}),
            fix={"clipnorm": new} if name == "clipnorm" else {},
            explains=(
                "stuck_at_trivial_predictor",
                "learning_rate_too_low",
                "learning_rate_too_high",  # by itself, but not cut as it is
                "too_few_epochs",
                "underfitting",
                "vanishing_gradients",
            ),
        )
    ]
