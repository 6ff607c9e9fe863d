"""Layers of the notes."""

from keras_dlnotes.layers.dropout_penalty import DropoutPenalty

__all__ = ["DropoutPenalty"]
"""Layers: batch normalization as the notes define it, put in its place and folded away."""

from keras_dlnotes.layers.batch_normalization import BatchNormalization
from keras_dlnotes.layers.fold import fold
from keras_dlnotes.layers.normalize_before_activation import normalize_before_activation

__all__ = ["BatchNormalization", "fold", "normalize_before_activation"]
