"""Small programs, broken, repaired and healthy, to measure a diagnosis with."""

from benchmarks.diagnosis_programs.faulty_networks import FAULTY_NETWORKS
from benchmarks.diagnosis_programs.faulty_training import FAULTY_TRAINING
from benchmarks.diagnosis_programs.healthy import HEALTHY
from benchmarks.diagnosis_programs.program import Program, Run
from benchmarks.diagnosis_programs.published_colours import PUBLISHED_COLOURS
from benchmarks.diagnosis_programs.published_gates import PUBLISHED_GATES
from benchmarks.diagnosis_programs.published_numbers import PUBLISHED_NUMBERS
from benchmarks.diagnosis_programs.published_pictures import PUBLISHED_PICTURES
from benchmarks.diagnosis_programs.published_sequences import PUBLISHED_SEQUENCES
from benchmarks.diagnosis_programs.published_tables import PUBLISHED_TABLES
from benchmarks.diagnosis_programs.published_texts import PUBLISHED_TEXTS
from benchmarks.diagnosis_programs.questions_output import QUESTIONS_OUTPUT
from benchmarks.diagnosis_programs.questions_training import QUESTIONS_TRAINING
from benchmarks.diagnosis_programs.threads_data import THREADS_DATA
from benchmarks.diagnosis_programs.threads_layers import THREADS_LAYERS
from benchmarks.diagnosis_programs.threads_output import THREADS_OUTPUT
from benchmarks.diagnosis_programs.threads_training import THREADS_TRAINING
from benchmarks.diagnosis_programs.tutorials import TUTORIALS
from benchmarks.diagnosis_programs.works_pictures import WORKS_PICTURES
from benchmarks.diagnosis_programs.works_sequences import WORKS_SEQUENCES
from benchmarks.diagnosis_programs.works_tables import WORKS_TABLES
from benchmarks.diagnosis_programs.written_later import LATER

QUESTIONS = (*QUESTIONS_OUTPUT, *QUESTIONS_TRAINING, *TUTORIALS)
THREADS = (*THREADS_DATA, *THREADS_LAYERS, *THREADS_OUTPUT, *THREADS_TRAINING)
WORKS = (*WORKS_PICTURES, *WORKS_SEQUENCES, *WORKS_TABLES)
PUBLISHED = (
    *PUBLISHED_COLOURS,
    *PUBLISHED_GATES,
    *PUBLISHED_NUMBERS,
    *PUBLISHED_PICTURES,
    *PUBLISHED_SEQUENCES,
    *PUBLISHED_TABLES,
    *PUBLISHED_TEXTS,
)
PROGRAMS = (
    *FAULTY_NETWORKS,
    *FAULTY_TRAINING,
    *HEALTHY,
    *LATER,
    *QUESTIONS,
    *THREADS,
    *WORKS,
    *PUBLISHED,
)

__all__ = ["PROGRAMS", "Program", "Run"]
