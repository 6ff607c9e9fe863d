"""Callbacks: when something happens during `fit`."""

from keras_dlnotes.callbacks.training_monitor import TrainingMonitor

__all__ = ["TrainingMonitor"]
