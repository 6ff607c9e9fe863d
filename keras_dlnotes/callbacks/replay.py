"""Tries the remedy of each finding on a copy of a model, in a short run."""

from keras_dlnotes.backend import active
from keras_dlnotes.remedies import Examples, ShortRuns

_MOST_STEPS = 300


def replay(model, sample, findings, steps, diagnosis):
    """Trains copies of a model from fresh weights on a sample, without and with each remedy.

    The model itself, its weights and its optimizer stay as they are. Each finding whose remedy can
    be applied gets as `verified` a dict with the skills `"before"` and `"after"` (0: the best
    constant, 1: perfect), the number of `"steps"` and a `"sentence"`, or as `not_tried` the reason
    why there is none.

    Args:
        model: a compiled model.
        sample: list of input arrays, and list of target arrays, one an output; None without.
        findings: list of `Finding`.
        steps: how many steps the run took; at most 300 of them are replayed.
        diagnosis: function that makes a callback, see `ShortRuns`.
    """
    tried = [finding for finding in findings if finding.fix]
    problem = no_runs_of(sample)
    if not tried or problem:
        for finding in tried:
            finding.not_tried = problem
        return
    inputs, (targets,) = sample
    steps = min(steps, _MOST_STEPS)
    runs = ShortRuns(model, Examples(inputs, targets), diagnosis, steps)
    before = runs.attempt({})
    for finding in tried:
        after = before if before.problem else runs.attempt(finding.fix)
        finding.not_tried = after.problem
        if after.problem:
            continue
        sentence = (
            f"skill {before.skill:.2f} without and {after.skill:.2f} with the remedy "
            f"(0: constant, 1: perfect) after {steps} steps"
        )
        if "epochs" in finding.fix:
            sentence += f", {finding.fix['epochs']} times as many with it"
        finding.verified = {
            "before": before.skill,
            "after": after.skill,
            "steps": steps,
            "sentence": sentence,
        }


def no_runs_of(sample) -> str | None:
    """Why no short runs can be made on a sample of a run's examples, or None."""
    if sample is None:
        return "no examples of the run are known"
    if active.processes.keeps_logs_apart():
        return "the train step may wait for the other processes, which train no copy"
    if len(sample[1]) > 1:
        return "no one skill says how several outputs have done"
    return None
