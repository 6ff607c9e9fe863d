"""Callbacks: when something happens during `fit`."""

from keras_dlnotes.callbacks.continue_augmentation import ContinueAugmentation
from keras_dlnotes.callbacks.diagnosis import Diagnosis
from keras_dlnotes.callbacks.early_stopping import EarlyStopping
from keras_dlnotes.callbacks.full_batch import FullBatch
from keras_dlnotes.callbacks.gradient_check import GradientCheck
from keras_dlnotes.callbacks.precise_batch_statistics import PreciseBatchStatistics
from keras_dlnotes.callbacks.regularization_log import RegularizationLog
from keras_dlnotes.callbacks.second_derivatives import SecondDerivatives
from keras_dlnotes.callbacks.stop_when_converged import StopWhenConverged
from keras_dlnotes.callbacks.training_monitor import TrainingMonitor

__all__ = [
    "ContinueAugmentation",
    "Diagnosis",
    "EarlyStopping",
    "FullBatch",
    "GradientCheck",
    "PreciseBatchStatistics",
    "RegularizationLog",
    "SecondDerivatives",
    "StopWhenConverged",
    "TrainingMonitor",
]
