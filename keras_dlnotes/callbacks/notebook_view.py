"""What a notebook shows of a callback that is evaluated in a cell, and what `print` does."""

import os
from typing import Any

from keras_dlnotes.plots.notebook import paragraphs, run_html, run_text


def monitor_html(run: Any, every: int, log_dir: Any) -> str:
    """A training monitor as HTML.

    Args:
        run: the folder or the writer that the monitor wrote to; None before any `fit`.
        every: each step whose number is divisible by it is recorded.
        log_dir: the folder that the monitor was given.
    """
    if sentence := _why_nothing_is_shown(run, every, log_dir):
        return paragraphs("TrainingMonitor", sentence)
    return run_html(run, _title(run))


def monitor_text(run: Any, every: int, log_dir: Any) -> str:
    """A training monitor as plain text: what to look at first.

    Args:
        run: as in `monitor_html`.
        every: as in `monitor_html`.
        log_dir: as in `monitor_html`.
    """
    if sentence := _why_nothing_is_shown(run, every, log_dir):
        return f"TrainingMonitor: {sentence}"
    return run_text(run, _title(run))


def _title(run: Any) -> str:
    in_folder = isinstance(run, str | os.PathLike)
    return f"TrainingMonitor, run in {os.fspath(run)}" if in_folder else "TrainingMonitor"


def _why_nothing_is_shown(run: Any, every: int, log_dir: Any) -> str | None:
    """A sentence where there is no run that can be read; None if there is one."""
    if isinstance(run, str | os.PathLike):
        return None
    if run is None or getattr(run, "layers", None) == {}:
        where = f"to {str(log_dir)!r}" if run is None else "to its writer"
        steps = "each step" if every == 1 else f"each step whose number is divisible by {every}"
        return (
            f"Records the activations and gradients of every layer at {steps} {where}. Nothing is "
            "recorded yet: pass it to `fit` in the list of callbacks. Afterwards it shows its run "
            "here."
        )
    if not hasattr(run, "layers"):
        return (
            f"Writes to a {type(run).__name__}, which cannot be read back. Expected a `log_dir` or "
            "a keras_dlnotes.summaries.MemoryWriter to show what was recorded here."
        )
    return None


def diagnosis_html(findings: Any, evidence: list[Any]) -> str:
    """A diagnosis as HTML.

    Args:
        findings: a `Findings`.
        evidence: list of `Evidence`, empty as long as nothing was looked at.
    """
    if not findings and not evidence:
        return paragraphs(
            "Diagnosis",
            "Watches `fit` and says what is wrong, why, and what to do. No run has been judged "
            "yet: pass it to `fit` in the list of callbacks. Afterwards it shows here what it "
            "found.",
        )
    shown = findings._repr_html_()
    if evidence and not evidence[0].finished:
        shown += paragraphs("", "The run had not ended when this was found.")
    return shown
