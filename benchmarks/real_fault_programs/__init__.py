"""Real networks with a fault each, and the same without."""

from benchmarks.real_fault_programs.others import OTHERS
from benchmarks.real_fault_programs.pictures import PICTURES
from benchmarks.real_fault_programs.program import RealProgram, RealRun
from benchmarks.real_fault_programs.sequences import SEQUENCES

REAL_PROGRAMS = (*PICTURES, *SEQUENCES, *OTHERS)

__all__ = ["REAL_PROGRAMS", "RealProgram", "RealRun"]
