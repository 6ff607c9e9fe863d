"""The remedies, in the order in which they are applied to a run.

What changes the layers comes before what draws weights anew, and that before what adds layers.
"""

from keras_dlnotes.remedies.compile_settings import (
    CLIPNORM,
    LEARNING_RATE,
    LOSS,
    LOSS_SCALING,
    METRICS,
    OPTIMIZER,
)
from keras_dlnotes.remedies.example_changes import FINITE_DATA, LABELS
from keras_dlnotes.remedies.fit_settings import (
    BATCH_SIZE,
    CLASS_WEIGHT,
    EARLY_STOPPING,
    EPOCHS,
    SHUFFLE,
)
from keras_dlnotes.remedies.layer_changes import (
    HIDDEN_ACTIVATION,
    MASK_ZERO,
    WIDER,
    WITHOUT_PENALTIES,
)
from keras_dlnotes.remedies.model_changes import INITIALIZER, NORMALIZATION, TRAINABLE
from keras_dlnotes.remedies.output_layer import ONE_PREDICTION, OUTPUT_ACTIVATION, OUTPUT_UNITS
from keras_dlnotes.remedies.standardization import STANDARDIZED_INPUTS, STANDARDIZED_TARGETS

REMEDIES = (
    FINITE_DATA,
    LABELS,
    STANDARDIZED_TARGETS,
    OUTPUT_UNITS,
    OUTPUT_ACTIVATION,
    ONE_PREDICTION,
    HIDDEN_ACTIVATION,
    WIDER,
    MASK_ZERO,
    WITHOUT_PENALTIES,
    TRAINABLE,
    INITIALIZER,
    NORMALIZATION,
    STANDARDIZED_INPUTS,
    LOSS,
    METRICS,
    LOSS_SCALING,
    OPTIMIZER,
    LEARNING_RATE,
    CLIPNORM,
    BATCH_SIZE,
    EPOCHS,
    SHUFFLE,
    CLASS_WEIGHT,
    EARLY_STOPPING,
)
