"""Constraints on weights."""

from keras_dlnotes.constraints.box import Box

__all__ = ["Box"]
