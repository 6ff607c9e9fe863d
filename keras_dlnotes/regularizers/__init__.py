"""Regularizers: penalties on weights, in training only."""

from keras_dlnotes.regularizers.penalties_by_layer import penalties_by_layer
from keras_dlnotes.regularizers.training_penalty import L1, L1L2, L2, TrainingPenalty

__all__ = ["L1", "L1L2", "L2", "TrainingPenalty", "penalties_by_layer"]
