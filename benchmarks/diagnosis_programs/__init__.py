"""Small programs, broken, repaired and healthy, to measure a diagnosis with."""

from benchmarks.diagnosis_programs.faulty_networks import FAULTY_NETWORKS
from benchmarks.diagnosis_programs.faulty_training import FAULTY_TRAINING
from benchmarks.diagnosis_programs.healthy import HEALTHY
from benchmarks.diagnosis_programs.program import Program, Run
from benchmarks.diagnosis_programs.questions_output import QUESTIONS_OUTPUT
from benchmarks.diagnosis_programs.questions_training import QUESTIONS_TRAINING
from benchmarks.diagnosis_programs.tutorials import TUTORIALS
from benchmarks.diagnosis_programs.written_later import LATER

QUESTIONS = (*QUESTIONS_OUTPUT, *QUESTIONS_TRAINING, *TUTORIALS)
PROGRAMS = (*FAULTY_NETWORKS, *FAULTY_TRAINING, *HEALTHY, *LATER, *QUESTIONS)

__all__ = ["PROGRAMS", "Program", "Run"]
