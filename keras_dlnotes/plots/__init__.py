"""Figures of what a training monitor recorded, drawn with Matplotlib."""

from keras_dlnotes.plots.layer_figures import layers_over_steps, scale_by_depth

__all__ = ["layers_over_steps", "scale_by_depth"]
