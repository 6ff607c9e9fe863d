"""Constraints on weights."""

from keras_dlnotes.constraints.box_constraint import Box

__all__ = ["Box"]
