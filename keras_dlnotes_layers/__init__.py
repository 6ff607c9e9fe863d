"""The layers tab of TensorBoard, and what it shows: every layer of a network over all steps.

A package beside `keras_dlnotes`, since TensorBoard imports it at every start: it needs NumPy and
tensorboard, and imports neither Keras nor one of its backends.
"""

from keras_dlnotes_layers.history import LayerHistory, history_of
from keras_dlnotes_layers.look_first import Notice, look_first
from keras_dlnotes_layers.views import VIEWS, View

__all__ = ["LayerHistory", "Notice", "VIEWS", "View", "history_of", "look_first"]
