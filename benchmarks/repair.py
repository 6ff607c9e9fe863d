"""How many faulty programs `kd.repair` repairs, and whether it leaves healthy ones alone.

    KERAS_BACKEND=torch python -m benchmarks.repair --half 0 --processes 2

The programs are those of `benchmarks/diagnosis_programs/`, with a repaired twin (halves 0 and 1) or
without (the other parts). Program, twin and repaired program run as they stand, with their own
epochs, and are measured alike: the skill of the trained model's predictions for its training
examples, 0 for the best constant and 1 for perfect ones.

- repaired: faulty programs whose repaired run reaches 0.8 of the twin's skill. Without a twin, 0.8
  of the skill of kernel ridge regression on the same examples.
- by the first remedy alone: likewise, of a run with nothing but the first finding's first remedy.
- worse: repaired runs whose skill is more than 0.02 below that of the program as it was.
- healthy, unchanged: twins and healthy programs that `repair` does not change.

A program that has learned although it is faulty (0.8 of the twin's skill before any repair) is
counted apart: it cannot show that a repair helps.
"""

import argparse
import contextlib
import io
import os
import time
import warnings
from multiprocessing import get_context

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_dlnotes as kd
from benchmarks.diagnosis_programs import PROGRAMS
from keras_dlnotes.diagnosis import sample_of
from keras_dlnotes.remedies import Examples, ShortRuns, candidates

SHARE = 0.8
WORSE = 0.02


def prepared(program, broken, seed):
    """A program's run, compiled and not trained."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    run = program.run(broken)
    run.model.compile(optimizer=run.optimizer, loss=run.loss, metrics=run.metrics)
    return run


def whole_runs(run):
    """Runs of the whole program, measured on its training examples."""
    x, y = (run.x, run.y) if run.y is not None else (run.x, None)
    sample = sample_of(x, y, most=10**6)
    size = sample.batch_size or run.batch_size
    steps = run.epochs * -(-len(sample.targets) // size)
    examples = Examples(sample.leaves, sample.targets)
    return ShortRuns(
        run.model,
        examples,
        lambda: kd.callbacks.Diagnosis(verbose=False),
        steps,
        size,
        shuffle=run.fit.get("shuffle", True),
    )


def skill(runs, settings, seed):
    """Skill of a whole run with some remedies."""
    return runs.attempt(settings, seed).skill


def measure(case):
    """What `repair` makes of one program, a pair of its name and a seed: a dict."""
    name, seed = case
    program = next(p for p in PROGRAMS if p.name == name)
    row = {"name": name, "half": program.half, "seed": seed}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for broken in program.variants:
            try:
                row |= _faulty(program, seed) if broken else _healthy(program, seed)
            except Exception as error:
                row["error"] = f"{type(error).__name__}: {error}"[:200]
    return row


def _faulty(program, seed):
    runs = whole_runs(prepared(program, True, seed))
    first = runs.attempt({}, seed)
    repaired, seconds = _repaired(program, True, seed)
    row = {
        "before": first.skill,
        "after": skill(runs, repaired.settings, seed) if repaired.settings else first.skill,
        "settings": repaired.settings,
        "found": [finding.cause for finding in repaired.findings],
        "seconds": seconds,
    }
    reference = first.evidence.reference if first.evidence else None
    row["yardstick"] = None if reference is None else reference.best
    # What a user gets who does what the first finding says, and nothing else.
    tried = [c for f in first.findings[:1] if first.evidence for c in candidates(f, first.evidence)]
    row["alone"] = skill(runs, tried[0], seed) if tried else first.skill
    return row


def _healthy(program, seed):
    twin = skill(whole_runs(prepared(program, False, seed)), {}, seed)
    repaired, _ = _repaired(program, False, seed)
    return {"twin": twin, "healthy_settings": repaired.settings}


def _repaired(program, broken, seed):
    run = prepared(program, broken, seed)
    start = time.perf_counter()
    repaired = kd.repair(
        run.model,
        run.x,
        run.y,
        epochs=run.epochs,
        batch_size=None if run.y is None else run.batch_size,
        shuffle=run.fit.get("shuffle", True),
        verbose=False,
    )
    return repaired, time.perf_counter() - start


def table(rows):
    """Lines of the table."""
    faulty = [row for row in rows if "before" in row and _goal(row) is not None]
    ill = [row for row in faulty if row["before"] < SHARE * _goal(row)]
    healthy = [row for row in rows if "healthy_settings" in row]
    lines = ["| what | programs | share | goal |", "|---|---|---|---|"]

    def add(what, chosen, count, goal):
        share = f"{count / len(chosen):.2f}" if chosen else "-"
        lines.append(f"| {what} | {len(chosen)} | {share} | {goal} |")

    add("repaired", ill, sum(row["after"] >= SHARE * _goal(row) for row in ill), "0.70")
    add(
        "by the first remedy alone",
        ill,
        sum(row["alone"] >= SHARE * _goal(row) for row in ill),
        "0.55",
    )
    add("worse", faulty, sum(row["after"] < row["before"] - WORSE for row in faulty), "0")
    add("healthy, unchanged", healthy, sum(not row["healthy_settings"] for row in healthy), "1")
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    if seconds:
        lines.append(
            f"\nSeconds for a repair: median {np.median(seconds):.0f}, at most {max(seconds):.0f}."
        )
    return lines


def _goal(row):
    return row.get("twin", row.get("yardstick"))


def _said(row):
    figures = [
        f"{key} {row[key]:.2f}" for key in ("before", "alone", "after", "twin") if key in row
    ]
    return ", ".join([row["name"], *figures])


def details(rows):
    """What went otherwise than it should, one line each."""
    for row in rows:
        if "error" in row:
            yield f"error: {row['name']}: {row['error']}"
        if row.get("healthy_settings"):
            yield f"healthy, changed: {row['name']}: {row['healthy_settings']}"
        goal = _goal(row)
        if goal is None or "before" not in row:
            continue
        figures = f"{row['before']:.2f} to {row['after']:.2f}, goal {SHARE * goal:.2f}"
        if row["after"] < row["before"] - WORSE:
            yield f"worse: {row['name']}: {figures}: {row['settings']}"
        elif row["after"] < SHARE * goal:
            found = ", ".join(row["found"]) or "nothing"
            yield f"not repaired: {row['name']}: {figures}: {row['settings']}; found {found}"


def main():
    """Prints the table, and what went otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--half", type=int, choices=(0, 1, 2, 3, 4, 5))
    parser.add_argument("--name", help="only programs with this in their name")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [p for p in PROGRAMS if arguments.half is None or p.half == arguments.half]
    chosen = [p for p in chosen if arguments.name is None or arguments.name in p.name]
    cases = [(p.name, seed) for seed in range(arguments.seeds) for p in chosen]
    # One TensorFlow graph after another fills a process's memory, so processes are replaced.
    with get_context("spawn").Pool(arguments.processes, maxtasksperchild=10) as pool:
        rows = []
        for row in pool.imap_unordered(measure, cases):
            rows.append(row)
            print(f"{len(rows)} of {len(cases)}: {_said(row)}", flush=True)
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, {arguments.seeds} seed(s)")
    print("\n".join([*table(rows), *details(rows)]), flush=True)


if __name__ == "__main__":
    main()
