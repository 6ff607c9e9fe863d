"""How the train step of a Keras model is observed from inside."""

from keras_dlnotes.instrumentation.activation_names import OWN_FUNCTION, activation_of
from keras_dlnotes.instrumentation.log_numbers import log_numbers
from keras_dlnotes.instrumentation.model_optimizers import inner_optimizer, train_step_number
from keras_dlnotes.instrumentation.replaced_methods import NextBatch
from keras_dlnotes.instrumentation.subscription import StepRecord, Subscription
from keras_dlnotes.instrumentation.train_step_observer import TrainStepObserver
from keras_dlnotes.instrumentation.watched_layers import (
    VariableNames,
    WatchedLayer,
    find_watched_layers,
    has_graph,
)

__all__ = [
    "NextBatch",
    "OWN_FUNCTION",
    "StepRecord",
    "Subscription",
    "TrainStepObserver",
    "VariableNames",
    "WatchedLayer",
    "activation_of",
    "find_watched_layers",
    "has_graph",
    "inner_optimizer",
    "log_numbers",
    "train_step_number",
]
