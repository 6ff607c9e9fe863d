"""A run that ended no better than a constant."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def trivial_predictor(evidence: Evidence) -> list[Finding]:
    """Reports the bare fact where the predictions are no better than the best constant.

    Threshold: less than 30 % of the skill of kernel ridge regression on the same examples (see
    `Evidence.outcome`), or without such a yardstick less than 2 % of what there is to explain.
    It is a symptom: rules that name a cause come before it.

    Reference: Murphy, "Skill scores based on the mean square error", 1988.
    """
    if not evidence.finished or evidence.outcome not in ("failed", "flat"):
        return []
    if evidence.skill is None or not np.isfinite(evidence.skill.best):
        return []  # predictions that are not finite are no constant ones
    figures = {"skill (0: constant, 1: perfect)": evidence.skill.best}
    if evidence.reference is not None:
        figures["skill of kernel ridge regression"] = evidence.reference.best
    return [
        Finding(
            cause="stuck_at_trivial_predictor",
            symptom="The predictions are hardly better than always the same one.",
            explanation="The model has learned the targets' mean or most frequent class, if that.",
            remedy="Try to overfit ten examples first; if that fails, look at data, output and "
            "loss; then change the learning rate by factors of ten.",
            confidence=0.6,
            evidence=figures,
            part="kd.diagnose(model, x, y)",
        )
    ]
