"""Findings as text, printed and as an exception."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from keras_dlnotes.backend.messages import tell
from keras_dlnotes.diagnosis.evidence import LEARNED_SHARE, Evidence
from keras_dlnotes.diagnosis.explanation import Explanation, explained
from keras_dlnotes.diagnosis.finding import Finding, counted, wrapped

# Notebooks align the cells of tables to the right and do not wrap them.
_CELL = "text-align:left;vertical-align:top;white-space:normal;padding-right:1em"


class Findings(list[Finding]):
    """List of `Finding`, the most likely cause first, that prints as a report.

    Args:
        findings: iterable of `Finding`.
        looked_at: a sentence that says what was looked at; printed where nothing was found. None:
            no run was judged to its end.
        evidence: list of the `Evidence` that they were found in, one an output of the model.
    """

    def __init__(
        self,
        findings: Iterable[Finding] = (),
        looked_at: str | None = None,
        evidence: Iterable[Evidence] = (),
    ) -> None:
        super().__init__(findings)
        self.looked_at = looked_at
        self.evidence = list(evidence)

    def explain(self, n: int) -> Explanation:
        """What a finding rests on, in full, as text and as a figure.

        Args:
            n: number of the finding as printed, from 1.

        Returns:
            An `Explanation`: print it, show its `figure`, or `save` it.

        Raises:
            ValueError: if there is no finding of this number.
        """
        return explained(self, n, self.evidence)

    def __str__(self) -> str:
        if self:
            return report(self)
        if self.looked_at is None:
            return (
                "Diagnosis: no run was judged to its end. If `fit` has raised, "
                "kd.diagnose(model, x, y) looks at model and data alone."
            )
        return f"Diagnosis: nothing wrong was found. {self.looked_at}".strip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: the report with its parts set apart."""
        try:
            return findings_html(self)
        except Exception:  # what a caller has put in: a notebook would show a traceback instead
            return f"<pre>{html.escape(list.__repr__(self))}</pre>"


def report(
    findings: Sequence[Finding],
    heading: str = "Diagnosis, most likely cause first:",
    shown: Sequence[Finding] | None = None,
) -> str:
    """The findings as text, the most likely cause first.

    Args:
        findings: list of `Finding`.
        heading: the first line.
        shown: those of the findings that are shown, under their numbers; None for all.
    """
    lines = [
        f"{number}. {finding}"
        for number, finding in enumerate(findings, start=1)
        if shown is None or any(finding is one for one in shown)
    ]
    return "\n".join([*wrapped(heading), *lines])


def heading_of(evidences: Sequence[Evidence], planned: int | None) -> str:
    """The line above what is told before a run is over.

    Args:
        evidences: list of `Evidence`, one an output of the model.
        planned: steps of the whole run, None if they are unknown.
    """
    taken = evidences[0].steps
    when = f"after {taken} of {planned} steps" if planned else f"after {counted(taken, 'step')}"
    if not taken:
        when = "before the first step"
    foreseen = next((one.hopeless for one in evidences if one.hopeless is not None), None)
    if foreseen is None:
        return f"Diagnosis {when}:"
    return (
        f"Diagnosis {when}: this run will not have learned (skill of the last batches "
        f"{foreseen.skill:.3g}; one that learns has {foreseen.least:.3g} by now):"
    )


def findings_html(findings: Findings) -> str:
    """The findings as a part of an HTML page that asks nothing from the network."""
    if not findings:
        return f"<p>{html.escape(str(findings))}</p>"
    items = "".join(f"<li>{_item(finding)}</li>" for finding in findings)
    return f"<p><b>Diagnosis, most likely cause first</b></p><ol>{items}</ol>"


def _item(finding):
    places = [f"layer {finding.layer}"] if finding.layer else []
    places += [f"output {finding.output}"] if finding.output else []
    places += [f"step {finding.step}"] if finding.step is not None else []
    head = ", ".join([f"{finding.confidence:.0%} sure", *places])
    rows = "".join(
        f'<tr><th style="{_CELL}">{html.escape(name)}</th>'
        f'<td style="{_CELL}">{html.escape(text)}</td></tr>'
        for name, text in [("seen", finding.symptom), *finding.details()]
    )
    cause = html.escape(finding.cause.replace("_", " "))
    return f"<b>{cause}</b> ({html.escape(head)})<table>{rows}</table>"


def looked_at(evidences: Sequence[Evidence]) -> str:
    """A sentence about what the rules have seen of a run.

    Args:
        evidences: list of `Evidence`, one an output of the model.
    """
    if not evidences:
        return "There was nothing to look at."
    first = evidences[0]
    seen = [f"{len(first.statistic_steps)} of {counted(first.steps, 'step')}"]
    if first.inputs is not None:
        seen.append(counted(len(first.inputs), "training example"))
    seen.append("the layers, the initial weights, the outputs and the loss")
    sentence = f"Looked at: {', '.join(seen)}."
    if all(evidence.outcome == "unknown" for evidence in evidences):
        return f"{sentence} What the model has learned could not be measured."
    skills = [_skills(evidence) for evidence in evidences if evidence.skill is not None]
    return f"{sentence} On these examples, {'; '.join(skills)}." if skills else sentence


def _skills(evidence):
    text = f"skill {_number(evidence.skill.best)} (0: constant, 1: perfect)"
    if evidence.reference is not None:
        text += f", of the yardstick {_number(evidence.reference.best)}"
        if evidence.outcome == "poor":
            text += f" (below {LEARNED_SHARE:g} of it, but not by enough to name a cause)"
    return text


def _number(value):
    return f"{value:.2g}" if math.isfinite(value) else "not known"


class DiagnosisError(RuntimeError):
    """Raised by `Diagnosis(action="raise")`; `findings` holds what was found."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = findings
        super().__init__("Training was ended by its diagnosis.\n" + report(findings))


class DiagnosisPrinter:
    """Prints each cause once before the end of a run, and all of them in one list at its end."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # under which causes were printed

    def print_new(self, findings: Findings, evidence: list[Any], planned_steps: int | None) -> None:
        """Prints, of a run that is not over, what has not been printed yet.

        Args:
            findings: all that is found by now.
            evidence: list of `Evidence`, one an output of the model.
            planned_steps: steps of the whole run; None if unknown.
        """
        new = [finding for finding in findings if finding.cause not in self._numbers]
        if new:
            heading = heading_of(evidence, planned_steps)
            tell("\n" + report(findings, heading, shown=new))
            numbers = _numbers(findings)
            self._numbers |= {finding.cause: numbers[finding.cause] for finding in new}

    def print_all(self, findings: Findings) -> None:
        """Prints the list at the end, the most likely cause first, unless it stands there already.

        What was printed before and is not found at the end is named.
        """
        numbers = _numbers(findings)
        if numbers != self._numbers or not numbers:
            tell(f"\n{findings}")
        if gone := [cause for cause in self._numbers if cause not in numbers]:
            tell(f"Told before the end, and not found at the end: {', '.join(gone)}.")

    def print_stopped(self, steps: int, findings: Findings, verified: bool) -> None:
        """Prints that the run was stopped, and the list again if remedies were tried since."""
        if verified:
            tell(f"\n{findings}")
        tell(f"Ended by action='stop' after {counted(steps, 'step')}.")


def _numbers(findings: Findings) -> dict[str, int]:
    return {finding.cause: number for number, finding in enumerate(findings, start=1)}
