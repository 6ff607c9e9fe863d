"""The benchmark finds programs by their names, so no two may share one."""

from collections import Counter

from benchmarks.diagnosis_programs import PROGRAMS


def test_names_are_unique():
    repeated = [name for name, count in Counter(p.name for p in PROGRAMS).items() if count > 1]
    assert repeated == []
