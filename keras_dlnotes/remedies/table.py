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
from keras_dlnotes.remedies.finite_data import FINITE_DATA
from keras_dlnotes.remedies.fit_settings import (
    BATCH_SIZE,
    CLASS_WEIGHT,
    EARLY_STOPPING,
    EPOCHS,
    SHUFFLE,
)
from keras_dlnotes.remedies.hidden_layers import HIDDEN_ACTIVATION, WIDER
from keras_dlnotes.remedies.initializer import INITIALIZER
from keras_dlnotes.remedies.labels import LABELS
from keras_dlnotes.remedies.mask_zero import MASK_ZERO
from keras_dlnotes.remedies.normalization import NORMALIZATION
from keras_dlnotes.remedies.output_layer import ONE_PREDICTION, OUTPUT_ACTIVATION, OUTPUT_UNITS
from keras_dlnotes.remedies.standardization import STANDARDIZED_INPUTS, STANDARDIZED_TARGETS
from keras_dlnotes.remedies.trainable import TRAINABLE
from keras_dlnotes.remedies.without_penalties import WITHOUT_PENALTIES

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
