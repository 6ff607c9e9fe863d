"""What the examples share: a figure with its spread, what it shows, and how long is left."""

import sys
import time

import numpy as np


def standard_error(values):
    """That of the mean, of values one a seed."""
    return np.std(values, ddof=1) / len(values) ** 0.5


def within(values, form):
    """Mean and standard error, as text."""
    return f"{np.mean(values):{form}} ± {standard_error(values):{form}}"


def verdict(differences):
    """Whether differences, one a seed, are above 0: "not shown" within two standard errors of 0."""
    if abs(np.mean(differences)) <= 2 * standard_error(differences):
        return "not shown"
    return "held" if np.mean(differences) > 0 else "did not hold"


def show_progress(done, total, start, what="networks trained", lines=5):
    """Says how long it still takes: a terminal's line is rewritten, elsewhere `lines` in all."""
    left = (time.perf_counter() - start) / done * (total - done)
    line = f"{done} of {total} {what}, about {left:.0f} s left"
    if sys.stdout.isatty():
        print(f"\r{line}   ", end="" if done < total else "\n", flush=True)
    elif lines * done // total > lines * (done - 1) // total:
        print(line, flush=True)
