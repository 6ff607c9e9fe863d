"""Pure functions that measure a tensor: the statistics of the notes' pictures."""

from keras_dlnotes.measures.combined import COMBINED, combined_histogram
from keras_dlnotes.measures.skill import Skill, class_indices, skill
from keras_dlnotes.measures.statistics import (
    ACTIVATION_STATISTICS,
    BINS,
    GRADIENT_STATISTICS,
    SATURATION,
    histogram,
    norm,
    saturated_fraction,
)
from keras_dlnotes.measures.tensor_reductions import TensorReductions

__all__ = [
    "ACTIVATION_STATISTICS",
    "BINS",
    "COMBINED",
    "GRADIENT_STATISTICS",
    "SATURATION",
    "Skill",
    "TensorReductions",
    "class_indices",
    "combined_histogram",
    "histogram",
    "norm",
    "saturated_fraction",
    "skill",
]
