"""Tries remedies on copies of a model, in short runs."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.backend.messages import tell
from keras_dlnotes.diagnosis import Finding, RunRecord
from keras_dlnotes.remedies import Examples, Repair, ShortRuns, search

_MOST_STEPS = 300
_BUDGET = 10_000  # train steps of all short runs of a repair


def replay(
    model: keras.Model,
    sample: Any,
    findings: Iterable[Finding],
    steps: int,
    diagnosis: Callable[[], Any],
) -> None:
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


def repaired(
    model: keras.Model,
    record: RunRecord,
    findings: Sequence[Finding],
    steps: int,
    epochs: int,
    diagnosis: Callable[[], Any],
    verbose: bool,
) -> Repair | None:
    """Repairs a copy of a model whose run is over, on the examples that were recorded.

    Args:
        model: a compiled model.
        record: the run's `RunRecord`.
        findings: list of `Finding`.
        steps: how many steps the run took; a short run has at most 300 of them.
        epochs: epochs of the user's run.
        diagnosis: function that makes a callback, see `ShortRuns`.
        verbose: whether to print what helped.

    Returns:
        The `Repair`; None where none could be tried, which a warning says.
    """
    if verbose:
        tell(f"\nRepairing a copy, in at most {_BUDGET} train steps.")
    try:
        sample = record.sample()
        problem = no_runs_of(sample)
        if problem is not None or sample is None:
            warnings.warn(f"The run is not repaired: {problem}.", stacklevel=2)
            return None
        inputs, (targets,) = sample
        examples, size = Examples.split(inputs, targets), record.batch_size or 32
        runs = ShortRuns(model, examples, diagnosis, min(steps, _MOST_STEPS), size, epochs=epochs)
        repair = search(runs, _BUDGET, known=findings)
    except KeyboardInterrupt:
        tell("The repair was interrupted. The training is complete.")
        return None
    except Exception as error:  # it must never end a training run
        warnings.warn(f"The repair was given up: {type(error).__name__}: {error}", stacklevel=2)
        return None
    if verbose:
        tell(f"\n{repair}")
    return repair


def no_runs_of(sample: Any) -> str | None:
    """Why no short runs can be made on a sample of a run's examples, or None."""
    if sample is None:
        return "no examples of the run are known"
    if active.processes.keeps_logs_apart():
        return "the train step may wait for the other processes, which train no copy"
    if len(sample[1]) > 1:
        return "no one skill says how several outputs have done"
    return None
