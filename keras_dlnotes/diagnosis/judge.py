"""Asks all rules and ranks what they find."""

import collections
from dataclasses import replace

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding
from keras_dlnotes.diagnosis.rules import (
    BEFORE_TRAINING,
    RULES,
    overfitting,
    trivial_predictor,
    underfitting,
)

# Rules for a run that is not over: what they report does not depend on how it ends.
SURE_AT_ONCE = 0.9
# Of a run that is not over and will not have learned, what names a cause and not only a symptom.
FORESEEN = 0.7
LEAST_CONFIDENCE = 0.55
STANDS_ALONE = 0.8
_EVERYTHING = "*"
# Rules that may find something of one output and nothing of the others.
_OF_ONE_OUTPUT = (
    *RULES["data"],
    *RULES["output and loss"],
    overfitting,
    trivial_predictor,
    underfitting,
)


@np.errstate(all="ignore")  # of a run that has diverged, squares and sums may overflow
def findings_of(*outputs: Evidence, before_training: bool = False) -> list[Finding]:
    """All findings, root causes before symptoms and the surest first.

    A finding that another explains is put behind all that are not explained. Beside one whose
    `explains` holds "*", only findings that stand on their own are kept: with a loss that does not
    fit, no statement about learning rates or epochs means anything yet.

    Args:
        *outputs: the `Evidence` of each output of the model.
        before_training: whether to ask only the rules that need no train step.

    Returns:
        List of `Finding`.
    """
    asked = BEFORE_TRAINING if before_training else [r for rules in RULES.values() for r in rules]
    found, seen_in = [], collections.defaultdict(set)
    for number, evidence in enumerate(outputs):
        for rule in asked:
            for finding in rule(evidence):
                if finding.confidence >= _least_confidence(evidence):
                    seen_in[_about(finding)].add(number)
                    own = evidence.model.output_layer if rule in _OF_ONE_OUTPUT else None
                    found.append(replace(finding, output=own))
    # What concerns all outputs is found once for each.
    surest = {_about(finding): finding for finding in sorted(found, key=_sureness)}
    found = [finding for finding in found if surest[_about(finding)] is finding]
    for finding in found:
        if len(seen_in[_about(finding)]) == len(outputs):
            finding.output = None
    found = [
        finding
        for finding in found
        if finding.confidence >= STANDS_ALONE
        or not any(
            _EVERYTHING in other.explains and other.confidence > finding.confidence
            for other in found
        )
    ]
    explained = {
        id(finding)
        for finding in found
        for other in found
        if other is not finding and finding.cause in other.explains
    }
    return sorted(found, key=lambda finding: (id(finding) in explained, -finding.confidence))


def _least_confidence(evidence):
    if evidence.finished:
        return LEAST_CONFIDENCE
    return SURE_AT_ONCE if evidence.hopeless is None else FORESEEN


def _about(finding):
    return finding.cause, finding.layer


def _sureness(finding):
    return finding.confidence
