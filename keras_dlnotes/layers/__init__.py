"""Layers: batch normalization as the notes define it."""

from keras_dlnotes.layers.batch_normalization import BatchNormalization

__all__ = ["BatchNormalization"]
