"""What the timing programs share: functions that take turns, and rows of ratios of their times."""

import json
import time
from importlib import metadata

import numpy as np


def take_turns(functions, rounds, unmeasured=2, told=False):
    """Runs functions in turn, each once a round, so that what slows the machine slows all.

    Args:
        functions: dict from a name to a function of no arguments.
        rounds: how often each is timed.
        unmeasured: rounds before, in which what has to be compiled is.
        told: whether each function returns the seconds that count, instead of those it took.

    Returns:
        Dict from each name to the list of its seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    order = list(functions)
    for number in range(unmeasured + rounds):
        for name in order:
            begin = time.perf_counter()
            returned = functions[name]()
            spent = time.perf_counter() - begin
            if number >= unmeasured:
                seconds[name].append(returned if told else spent)
        order = order[1:] + order[:1]
    return seconds


def quartiles(ours, theirs):
    """Lower quartile, median and upper quartile of the ratios of two lists, pair by pair."""
    return [float(q) for q in np.percentile(np.divide(ours, theirs), [25, 50, 75])]


def row(work, peer, ours, theirs, goal, each=1, **more):
    """A line of the table of `python -m benchmarks`.

    Args:
        work: what was done.
        peer: beside what, with its version, see `version`.
        ours: list of seconds, one a round.
        theirs: likewise, in the same rounds.
        goal: the ratio to be reached.
        each: how often the work was done in these seconds.
        more: what else is known, as what memory alone would take (`floor_ms`).
    """
    milliseconds = [1e3 * float(np.median(times)) / each for times in (ours, theirs)]
    return {
        "work": work,
        "peer": peer,
        "ours_ms": milliseconds[0],
        "peer_ms": milliseconds[1],
        "ratio": quartiles(ours, theirs),
        "goal": goal,
        **more,
    }


def version(package):
    """`Keras 3.15.1`, for the name of an installed package."""
    return f"{package} {metadata.version(package.lower())}"


def write(rows):
    """Prints rows as they come, for `python -m benchmarks` to read: JSON, one a line."""
    for line in rows:
        print(json.dumps(line), flush=True)
