"""Findings as text, and as an exception."""


def report(findings):
    """The findings as text, the most likely cause first."""
    if not findings:
        return "Diagnosis: nothing found."
    lines = [f"{number}. {finding}" for number, finding in enumerate(findings, start=1)]
    return "\n".join(["Diagnosis, most likely cause first:", *lines])


class DiagnosisError(RuntimeError):
    """Raised by `Diagnosis(action="raise")`; `findings` holds what was found."""

    def __init__(self, findings):
        self.findings = findings
        super().__init__("Training was ended by its diagnosis.\n" + report(findings))
