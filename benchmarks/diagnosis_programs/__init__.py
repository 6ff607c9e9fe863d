"""Small programs, broken, repaired and healthy, to measure a diagnosis with."""

from benchmarks.diagnosis_programs.faulty_networks import FAULTY_NETWORKS
from benchmarks.diagnosis_programs.faulty_training import FAULTY_TRAINING
from benchmarks.diagnosis_programs.healthy import HEALTHY
from benchmarks.diagnosis_programs.program import Program, Run

FAULTY = (*FAULTY_NETWORKS, *FAULTY_TRAINING)

__all__ = ["FAULTY", "HEALTHY", "Program", "Run"]
