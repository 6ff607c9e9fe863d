"""Ours beside each peer, with the quartiles of the paired ratios, as one table.

    python -m benchmarks                         the whole table, about 20 minutes on 2 cores
    python -m benchmarks --only first_order      the programs whose command has the text
    python -m benchmarks --write docs            also writes benchmarks.md and .json into a folder

Each program runs in a process of its own, one after the other; in it ours and the peer take turns
in each round. A ratio is ours over the peer's time, so below 1 ours is faster; its quartiles are
over the rounds (of the two rounds of the first 12 steps, between their ratios). A goal that is
missed stands in the table as every other row does.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
# The backend, and the program's command line. The longer ones come last.
PROGRAMS = [
    *((backend, "first_order_step.py --rounds 15") for backend in ("tensorflow", "torch", "jax")),
    ("torch", "gradient_check.py --rounds 7 --coordinates 100"),
    *((backend, "second_order.py") for backend in ("tensorflow", "jax", "torch")),
    *(
        (backend, "monitor_overhead.py --rounds 5 --steps 50")
        for backend in ("torch", "jax", "tensorflow")
    ),
    *(
        (backend, "real_networks.py --networks ResNet50 --rounds 2")
        for backend in ("tensorflow", "jax")
    ),
]
# Why a goal is missed, by a part of the name of the work.
REASONS = {
    "20 of 1000x1000": "memory passes what the rule reads and writes (the floor); less would need "
    "the update to be fused with what makes the gradients.",
    "300 of 64": "an assignment to each variable alone (the floor) takes most of it. State is in "
    "one variable already; the model's own weights are Keras's, one variable each.",
    "a coordinate of it": "the products of two losses a coordinate are the work, in float64, where "
    "the loop computes in float32.",
    "gradient check of": "every variable is checked along directions of its own, `gradcheck` all "
    "along one.",
    "L-BFGS": "see the floor: what is above it is Keras's `fit` once an epoch, the method's own "
    "vectors, and the evaluations between the target and the epoch's end.",
    "first 12 steps": "a recorded step is a second program beside the plain one, and both are "
    "compiled.",
    "monitor, ": "statistics read all activations, gradients and updates once more; in networks of "
    "dense layers that is a part of the step's own traffic, in convolutional ones it is not.",
}
HEADS = ["backend", "work", "peer", "peer ms", "ours ms", "ours / peer", "quartiles", "goal", ""]


def run(backend, command, limit):
    """The rows that a program prints, and what was wrong, or None."""
    program, *arguments = command.split()
    line = [sys.executable, str(HERE / program), *arguments, "--json"]
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with subprocess.Popen(
        line,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit)
            status = process.returncode
            said = errors.strip().splitlines() or ["nothing was said"]
            failure = None if status == 0 else f"exit status {status}: {said[-1]}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
            output, errors = process.communicate()
            failure = f"not finished in {limit:.0f} s"
    rows = [json.loads(text) for text in output.splitlines() if text.startswith('{"work"')]
    return [{"backend": backend} | row for row in rows], failure


def cells(row):
    """A row of the table as texts."""
    low, ratio, high = row["ratio"]
    reached = "reached" if ratio <= row["goal"] else "**missed**"
    notes = [reached]
    if "floor_ms" in row:
        notes.append(
            f"floor {row['floor_ms']:.2f} ms, ours {row['ours_ms'] / row['floor_ms']:.1f} of it"
        )
    if "noise" in row:
        notes.append(f"noise {row['noise'][0]:.2f} to {row['noise'][2]:.2f}")
    return [
        row["backend"],
        row["work"],
        row["peer"],
        f"{row['peer_ms']:.3g}",
        f"{row['ours_ms']:.3g}",
        f"{ratio:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{row['goal']:.2f}",
        "; ".join(notes),
    ]


def markdown(texts):
    """A line of a table."""
    return f"| {' | '.join(texts)} |"


def page(rows, failures, seconds):
    """The text of docs/benchmarks.md."""
    packages = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "optax", "scipy")
    found = [f"{name} {version}" for name in packages if (version := _version(name))]
    lines = [
        "# Benchmarks",
        "",
        f"Made on {datetime.date.today()} by `python -m benchmarks --write docs` in "
        f"{seconds / 60:.0f} minutes, with Python {platform.python_version()}, {', '.join(found)}, "
        f"{os.cpu_count()} CPU cores, {platform.machine()}.",
        "",
        *[line.strip() for line in __doc__.split("\n\n")[-1].splitlines()],
        "",
        "- **floor**: for an update the time in which memory could pass the numbers that a rule",
        "  must read and write once, at the rate at which one array is added to another (of many",
        "  small variables on TensorFlow, an `assign_add` to each); for L-BFGS as many",
        "  evaluations of loss and gradient as ours took, and nothing else.",
        "- **noise**: quartiles of the ratio of two plain twins.",
        "",
        markdown(HEADS),
        "|---" * len(HEADS) + "|",
        *[markdown(cells(row)) for row in rows],
        "",
    ]
    missed = [row["work"] for row in rows if row["ratio"][1] > row["goal"]]
    reasons = [(name, text) for name, text in REASONS.items() if any(name in m for m in missed)]
    if reasons:
        lines += ["Why goals are missed:", ""]
        lines += [f"- **{name.strip(', ')}**: {text}" for name, text in reasons] + [""]
    lines += [f"- {failure}" for failure in failures]
    return "\n".join(lines).rstrip() + "\n"


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def main():
    """Prints the table as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="run the programs whose command has this text")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--limit", type=float, default=400, help="seconds of a program")
    parser.add_argument("--write", type=Path, help="folder for benchmarks.md and benchmarks.json")
    arguments = parser.parse_args()
    if arguments.write and (arguments.only or len(arguments.backends) < 3):
        parser.error("--write replaces the whole table: leave out --only and --backends")
    print(markdown(HEADS) + "\n" + "|---" * len(HEADS) + "|", flush=True)
    begin, seconds, rows, failures = time.perf_counter(), 0.0, [], []
    chosen = [(b, c) for b, c in PROGRAMS if arguments.only in c and b in arguments.backends]
    for number, (backend, command) in enumerate(chosen):
        found, failure = run(backend, command, arguments.limit)
        rows += found
        for row in found:
            print(markdown(cells(row)), flush=True)
        if failure:
            failures.append(f"{backend}, `{command}`: {failure}")
            print(failures[-1], flush=True)
        seconds = time.perf_counter() - begin
        if arguments.write:  # after each program: an interrupted run keeps what is done
            left = [f"{b}, `{c}`: not run" for b, c in chosen[number + 1 :]]
            text = page(rows, failures + left, seconds)
            (arguments.write / "benchmarks.md").write_text(text)
            (arguments.write / "benchmarks.json").write_text(json.dumps(rows, indent=1) + "\n")
    missed = sum(row["ratio"][1] > row["goal"] for row in rows)
    print(f"\n{len(rows)} rows, {missed} above their goal, {seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main()
