"""The tables of phases in `docs/second_order.md`, the alternatives of each line written out."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

from keras_dlnotes.numerics.phases import Phase

BACK = ("RESUME", "REPEAT")


class Row(NamedTuple):
    phase: str
    suspended: str | None  # the phase to go back to from RESUME and REPEAT
    place: str
    seen: str
    following: str


class PhaseTable:
    """The table under a heading of the document.

    Args:
        heading: The heading's text.
        own_phases: The method's own phases, an enumeration.
    """

    def __init__(self, heading, own_phases):
        self.numbers = {phase.name: int(phase) for kind in (Phase, own_phases) for phase in kind}
        self.names = {number: name for name, number in self.numbers.items()}
        text = (Path(__file__).parents[2] / "docs" / "second_order.md").read_text()
        text = text.split(f"\n## {heading}\n")[1]
        text = text.split("| phase | evaluated at | seen | next phase |\n|---|---|---|---|\n")[1]
        self.rows = []
        for line in itertools.takewhile(lambda line: line.startswith("|"), text.splitlines()):
            phases, *rest = (cell.strip() for cell in line.strip("|").split(" | "))
            for name, suspended in self.alternatives(phases):
                self.rows.append(Row(name, suspended, *rest))

    def alternatives(self, cell):
        """The pairs of a phase and a suspended phase that a cell of the first column names."""
        suspendable = [name for name in self.numbers if name not in ("START", *BACK)]
        if cell == "all but `START`":
            back = list(itertools.product(BACK, suspendable))
            return [(name, None) for name in suspendable] + back
        before, _, after = cell.partition(" of ")
        named = suspendable if after == "any phase" else re.findall(r"`(\w+)`", after)
        return list(itertools.product(re.findall(r"`(\w+)`", before), named or [None]))

    def following(self, row):
        """The phases that the last cell of a row stands for: several for "as `START`"."""
        if row.following == "as `START`":
            finite = row.seen != "not finite"
            begins = [each for each in self.rows if each.phase == "START"]
            return {
                each.following.strip("`")
                for each in begins
                if (each.seen != "not finite") == finite
            }
        words = {"the same": row.phase, "the suspended": row.suspended}
        return {words.get(row.following, row.following.strip("`"))}
