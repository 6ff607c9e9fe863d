"""Remedies, and short runs that try them on copies of a model."""

from keras_dlnotes.remedies.candidates import candidates, output_for_labels, usual_recipe
from keras_dlnotes.remedies.draft import Draft, Remedy
from keras_dlnotes.remedies.examples import Examples
from keras_dlnotes.remedies.repair_result import Repair
from keras_dlnotes.remedies.repair_search import search
from keras_dlnotes.remedies.short_runs import Attempt, ShortRuns
from keras_dlnotes.remedies.table import REMEDIES

__all__ = [
    "Attempt",
    "Draft",
    "Examples",
    "REMEDIES",
    "Remedy",
    "Repair",
    "ShortRuns",
    "candidates",
    "output_for_labels",
    "search",
    "usual_recipe",
]
