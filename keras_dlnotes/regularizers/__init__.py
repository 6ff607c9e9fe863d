"""Regularizers: penalties on weights, in training only."""

from keras_dlnotes.regularizers.l1 import L1
from keras_dlnotes.regularizers.l1l2 import L1L2
from keras_dlnotes.regularizers.l2 import L2
from keras_dlnotes.regularizers.penalties_by_layer import penalties_by_layer
from keras_dlnotes.regularizers.training_penalty import TrainingPenalty

__all__ = ["L1", "L1L2", "L2", "TrainingPenalty", "penalties_by_layer"]
