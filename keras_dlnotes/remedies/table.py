"""The remedies, in the order in which they are applied to a run.

What changes the layers comes before what draws weights anew, and that before what adds layers.
"""

from keras_dlnotes.remedies.batch_size import BATCH_SIZE
from keras_dlnotes.remedies.clipnorm import CLIPNORM
from keras_dlnotes.remedies.early_stopping import EARLY_STOPPING
from keras_dlnotes.remedies.epochs import EPOCHS
from keras_dlnotes.remedies.finite_data import FINITE_DATA
from keras_dlnotes.remedies.hidden_activation import HIDDEN_ACTIVATION
from keras_dlnotes.remedies.initializer import INITIALIZER
from keras_dlnotes.remedies.labels import LABELS
from keras_dlnotes.remedies.learning_rate import LEARNING_RATE
from keras_dlnotes.remedies.loss import LOSS
from keras_dlnotes.remedies.metrics import METRICS
from keras_dlnotes.remedies.normalization import NORMALIZATION
from keras_dlnotes.remedies.one_prediction import ONE_PREDICTION
from keras_dlnotes.remedies.optimizer import OPTIMIZER
from keras_dlnotes.remedies.output_activation import OUTPUT_ACTIVATION
from keras_dlnotes.remedies.output_units import OUTPUT_UNITS
from keras_dlnotes.remedies.shuffle import SHUFFLE
from keras_dlnotes.remedies.standardized_inputs import STANDARDIZED_INPUTS
from keras_dlnotes.remedies.standardized_targets import STANDARDIZED_TARGETS
from keras_dlnotes.remedies.trainable import TRAINABLE
from keras_dlnotes.remedies.wider import WIDER
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
    WITHOUT_PENALTIES,
    TRAINABLE,
    INITIALIZER,
    NORMALIZATION,
    STANDARDIZED_INPUTS,
    LOSS,
    METRICS,
    OPTIMIZER,
    LEARNING_RATE,
    CLIPNORM,
    BATCH_SIZE,
    EPOCHS,
    SHUFFLE,
    EARLY_STOPPING,
)
