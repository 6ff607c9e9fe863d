"""Prints what a diagnosis finds."""

from typing import Any

from keras_dlnotes.diagnosis import Findings, heading_of, report
from keras_dlnotes.diagnosis.finding import counted


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
            print("\n" + report(findings, heading, shown=new), flush=True)
            numbers = _numbers(findings)
            self._numbers |= {finding.cause: numbers[finding.cause] for finding in new}

    def print_all(self, findings: Findings) -> None:
        """Prints the list at the end, the most likely cause first, unless it stands there already.

        What was printed before and is not found at the end is named.
        """
        numbers = _numbers(findings)
        if numbers != self._numbers or not numbers:
            print(f"\n{findings}", flush=True)
        if gone := [cause for cause in self._numbers if cause not in numbers]:
            print(f"Told before the end, and not found at the end: {', '.join(gone)}.")

    def print_stopped(self, steps: int, findings: Findings, verified: bool) -> None:
        """Prints that the run was stopped, and the list again if remedies were tried since."""
        if verified:
            print(f"\n{findings}", flush=True)
        print(f"Ended by action='stop' after {counted(steps, 'step')}.", flush=True)


def _numbers(findings: Findings) -> dict[str, int]:
    return {finding.cause: number for number, finding in enumerate(findings, start=1)}
