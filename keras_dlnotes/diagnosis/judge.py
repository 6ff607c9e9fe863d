"""Asks all rules and ranks what they find."""

from keras_dlnotes.diagnosis.rules import RULES

# Rules for a run that is not over: what they report does not depend on how it ends.
SURE_AT_ONCE = 0.9
LEAST_CONFIDENCE = 0.55
_EVERYTHING = "*"


def findings_of(evidence):
    """All findings, root causes before symptoms and the surest first.

    A finding that another, at least as sure, explains is put behind all that are not explained.
    One whose `explains` holds "*" explains every less sure one: with a loss that does not fit, no
    statement about learning rates or epochs means anything yet.

    Args:
        evidence: `Evidence`.

    Returns:
        List of `Finding`.
    """
    found = [finding for rules in RULES.values() for rule in rules for finding in rule(evidence)]
    found = [finding for finding in found if finding.confidence >= LEAST_CONFIDENCE]
    if not evidence.finished:
        found = [finding for finding in found if finding.confidence >= SURE_AT_ONCE]
    explained = {
        id(finding)
        for finding in found
        for other in found
        if other is not finding and _explains(other, finding)
    }
    return sorted(found, key=lambda finding: (id(finding) in explained, -finding.confidence))


def _explains(cause, consequence):
    if consequence.cause in cause.explains:
        return True
    return _EVERYTHING in cause.explains and cause.confidence > consequence.confidence
