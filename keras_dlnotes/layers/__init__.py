"""Layers: batch normalization and dropout as the notes define them."""

from keras_dlnotes.layers.batch_normalization import BatchNormalization
from keras_dlnotes.layers.dropout_penalty import DropoutPenalty
from keras_dlnotes.layers.fold import fold
from keras_dlnotes.layers.normalize_before_activation import normalize_before_activation

__all__ = [
    "BatchNormalization",
    "DropoutPenalty",
    "fold",
    "normalize_before_activation",
]
