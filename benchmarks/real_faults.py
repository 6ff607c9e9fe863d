"""How much `Diagnosis` finds in real networks with a fault, and how quiet it is on their twins.

    KERAS_BACKEND=torch python -m benchmarks.real_faults --seeds 1

The programs are in `benchmarks/real_fault_programs/`: ResNet50, EfficientNetB0, a transformer of
twelve blocks, a bidirectional LSTM, a U-Net, an autoencoder in mixed precision and a model of
several inputs and outputs, on small pictures and short texts, a minute each. Each is run with its
fault and without. They were written, and each pair was seen to learn and not to learn, before the
diagnosis was run on any of them; its first run is the blind figure in docs/measurements.md, and
rules were changed after it.

What counts is the skill on test data, of the kind that the trained model meets: 0 for the best
constant, 1 for perfect predictions, by accuracy where there are classes. A fault whose run reaches
0.8 of its twin's skill does not show and is listed, but not counted; a pair whose twin does not
learn either is no pair.

- found: faults that show with at least one finding
- right cause first: of these, those whose first finding names a cause listed beside the program
- right layer: of those found whose fault is in a layer, those in which the first finding, or one
  of its cause, names it
- alarms: twins with any finding
"""

import argparse
import contextlib
import gc
import io
import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_dlnotes as kd
from benchmarks.real_fault_programs import REAL_PROGRAMS

SHOWS_BELOW = 0.8


def measure(program, broken, seed, diagnosed=True):
    """Runs a program: a dict of its skill, seconds of `fit`, findings and evidence."""
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    run = program.make(broken)
    diagnosis = kd.callbacks.Diagnosis(verbose=False)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(*([diagnosis] if diagnosed else []))
    seconds = time.perf_counter() - start
    return {
        "name": program.name,
        "broken": broken,
        "seed": seed,
        "skill": run.skill(),
        "seconds": seconds,
        "found": [(finding.cause, finding.layer) for finding in diagnosis.findings],
        "evidence": diagnosis.evidence,
    }


class Pair:
    """A program's two runs with one seed."""

    def __init__(self, program, broken, twin):
        self.program, self.broken, self.twin = program, broken, twin

    @property
    def learns(self):
        """Whether the twin has the skill that it has to have."""
        return self.twin["skill"] >= self.program.least

    @property
    def shows(self):
        """Whether the fault costs the run what counts."""
        return self.learns and self.broken["skill"] < SHOWS_BELOW * self.twin["skill"]

    @property
    def found(self):
        """Whether the fault shows and something is found."""
        return self.shows and bool(self.broken["found"])

    @property
    def right_first(self):
        """Whether the first finding is the right one."""
        return self.found and self.broken["found"][0][0] in self.program.causes

    @property
    def right_layer(self):
        """Whether the finding names the layer; None where there is none."""
        if not self.found or not self.program.layers:
            return None
        first = self.broken["found"][0][0]
        named = [layer or "" for cause, layer in self.broken["found"] if cause == first]
        return any(layer.split("/")[-1].startswith(self.program.layers) for layer in named)

    def __str__(self):
        """Skills, and what was found."""
        found, alarms = (_listed(row["found"]) for row in (self.broken, self.twin))
        skills = f"skill {self.broken['skill']:.2f}, twin {self.twin['skill']:.2f}"
        text = f"{self.program.name} (seed {self.broken['seed']}): {skills}; found {found}"
        return text + (f"; ALARM in the twin: {alarms}" if self.twin["found"] else "")


def _listed(found):
    return (
        ", ".join(f"{cause} [{layer}]" if layer else cause for cause, layer in found) or "nothing"
    )


def table(pairs):
    """Lines of the table, a network each, and all of them."""
    heads = ["network", "faults", "show", "found", "right cause first", "right layer"]
    lines = [f"| {' | '.join([*heads, 'healthy', 'alarms', 'seconds a run'])} |", "|---" * 9 + "|"]
    networks = list(dict.fromkeys(pair.program.network for pair in pairs))
    for network in [*networks, "all"]:
        part = [pair for pair in pairs if network in (pair.program.network, "all")]
        shown = [pair for pair in part if pair.shows]
        found = [pair for pair in part if pair.found]
        layers = [pair.right_layer for pair in found if pair.right_layer is not None]
        seconds = [row["seconds"] for pair in part for row in (pair.broken, pair.twin)]
        cells = [network, len(part), len(shown), len(found)]
        cells += [sum(pair.right_first for pair in found), f"{sum(layers)} of {len(layers)}"]
        cells += [len(part), sum(bool(pair.twin["found"]) for pair in part)]
        cells.append(f"{sum(seconds) / max(len(seconds), 1):.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def details(pairs):
    """What went otherwise than it should, one line each."""
    for pair in pairs:
        if not pair.learns:
            yield f"twin does not learn: {pair}"
        elif not pair.shows:
            yield f"does not show: {pair}"
        elif not pair.found:
            yield f"missed: {pair}"
        elif not pair.right_first:
            yield f"other cause: {pair}"
        elif pair.right_layer is False:
            yield f"other layer: {pair}"
        elif pair.twin["found"]:
            yield f"false alarm: {pair}"


def main():
    """Prints the table, and what went otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--name", help="only programs with this in their name or network")
    parser.add_argument("--plain", action="store_true", help="skills alone, without a diagnosis")
    arguments = parser.parse_args()
    wanted = arguments.name or ""
    chosen = [p for p in REAL_PROGRAMS if wanted in p.name or wanted in p.network]
    pairs = []
    for seed in range(arguments.seeds):
        for program in chosen:
            rows = [measure(program, broken, seed, not arguments.plain) for broken in (True, False)]
            pairs.append(Pair(program, *rows))
            seconds = " and ".join(f"{row['seconds']:.0f}" for row in rows)
            print(f"{pairs[-1]} ({seconds} s)", flush=True)
    print(f"\n{keras.backend.backend()}, Keras {keras.__version__}, {arguments.seeds} seed(s)")
    print("\n".join([*table(pairs), *details(pairs)]))


if __name__ == "__main__":
    main()
