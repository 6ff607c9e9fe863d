"""Layers of the notes."""

from keras_dlnotes.layers.dropout_penalty import DropoutPenalty

__all__ = ["DropoutPenalty"]
