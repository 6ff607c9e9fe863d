"""The rules: each a pure function from `Evidence` to a list of findings, one a file.

The table is their order of asking; what they find is ranked by confidence, root causes first.
"""

from keras_dlnotes.diagnosis.rules.augmentation import augmentation
from keras_dlnotes.diagnosis.rules.changing_objective import changing_objective
from keras_dlnotes.diagnosis.rules.constant_data import constant_data
from keras_dlnotes.diagnosis.rules.dead_units import dead_units
from keras_dlnotes.diagnosis.rules.error_in_training import error_in_training
from keras_dlnotes.diagnosis.rules.exploding_block import exploding_block
from keras_dlnotes.diagnosis.rules.frozen_statistics import frozen_statistics
from keras_dlnotes.diagnosis.rules.gradient_clipping import gradient_clipping
from keras_dlnotes.diagnosis.rules.gradient_flow import gradient_flow
from keras_dlnotes.diagnosis.rules.gradient_underflow import gradient_underflow
from keras_dlnotes.diagnosis.rules.heavy_regularization import heavy_regularization
from keras_dlnotes.diagnosis.rules.hidden_activation import hidden_activation
from keras_dlnotes.diagnosis.rules.initial_loss import initial_loss
from keras_dlnotes.diagnosis.rules.initial_scale import initial_scale
from keras_dlnotes.diagnosis.rules.label_encoding import label_encoding
from keras_dlnotes.diagnosis.rules.lagging_statistics import lagging_statistics
from keras_dlnotes.diagnosis.rules.leaking_inputs import leaking_inputs
from keras_dlnotes.diagnosis.rules.learning_rate import learning_rate
from keras_dlnotes.diagnosis.rules.loss_and_output import loss_and_output
from keras_dlnotes.diagnosis.rules.missing_class import missing_class
from keras_dlnotes.diagnosis.rules.non_finite_data import non_finite_data
from keras_dlnotes.diagnosis.rules.non_finite_loss import non_finite_loss
from keras_dlnotes.diagnosis.rules.non_numeric_data import non_numeric_data
from keras_dlnotes.diagnosis.rules.output_range import output_range
from keras_dlnotes.diagnosis.rules.overfitting import overfitting
from keras_dlnotes.diagnosis.rules.rare_class import rare_class
from keras_dlnotes.diagnosis.rules.regression_accuracy import regression_accuracy
from keras_dlnotes.diagnosis.rules.saturated_units import saturated_units
from keras_dlnotes.diagnosis.rules.single_unit_softmax import single_unit_softmax
from keras_dlnotes.diagnosis.rules.small_batches import small_batches
from keras_dlnotes.diagnosis.rules.summed_loss import summed_loss
from keras_dlnotes.diagnosis.rules.symmetric_weights import symmetric_weights
from keras_dlnotes.diagnosis.rules.target_shape import target_shape
from keras_dlnotes.diagnosis.rules.training_length import training_length
from keras_dlnotes.diagnosis.rules.trivial_predictor import trivial_predictor
from keras_dlnotes.diagnosis.rules.underfitting import underfitting
from keras_dlnotes.diagnosis.rules.unmasked_padding import unmasked_padding
from keras_dlnotes.diagnosis.rules.unrelated_labels import unrelated_labels
from keras_dlnotes.diagnosis.rules.unscaled_inputs import unscaled_inputs
from keras_dlnotes.diagnosis.rules.unscaled_targets import unscaled_targets
from keras_dlnotes.diagnosis.rules.unshuffled_data import unshuffled_data
from keras_dlnotes.diagnosis.rules.untouched_statistics import untouched_statistics
from keras_dlnotes.diagnosis.rules.untrained_embedding import untrained_embedding
from keras_dlnotes.diagnosis.rules.untrained_layers import untrained_layers
from keras_dlnotes.diagnosis.rules.unused_outputs import unused_outputs
from keras_dlnotes.diagnosis.rules.validation_data import validation_data

RULES = {
    "data": (
        non_numeric_data,
        non_finite_data,
        constant_data,
        unscaled_inputs,
        unscaled_targets,
        unshuffled_data,
        unrelated_labels,
        missing_class,
        rare_class,
        leaking_inputs,
        unmasked_padding,
        augmentation,
        validation_data,
    ),
    "output and loss": (
        single_unit_softmax,
        loss_and_output,
        output_range,
        label_encoding,
        target_shape,
        regression_accuracy,
        unused_outputs,
        summed_loss,
    ),
    "initialization": (symmetric_weights, initial_scale, initial_loss),
    "layers": (
        untrained_layers,
        untrained_embedding,
        hidden_activation,
        dead_units,
        saturated_units,
        exploding_block,
        lagging_statistics,
        frozen_statistics,
        untouched_statistics,
        gradient_flow,
        gradient_underflow,
    ),
    "training": (
        error_in_training,
        changing_objective,
        non_finite_loss,
        learning_rate,
        gradient_clipping,
        training_length,
        small_batches,
        heavy_regularization,
        overfitting,
        trivial_predictor,
        underfitting,
    ),
}

# What can be said of a single batch before the first step, and makes each step pointless.
BEFORE_TRAINING = (non_numeric_data, non_finite_data, label_encoding, target_shape)

__all__ = [
    "BEFORE_TRAINING",
    "RULES",
    "augmentation",
    "changing_objective",
    "constant_data",
    "dead_units",
    "error_in_training",
    "exploding_block",
    "frozen_statistics",
    "gradient_clipping",
    "gradient_flow",
    "gradient_underflow",
    "heavy_regularization",
    "hidden_activation",
    "initial_loss",
    "initial_scale",
    "label_encoding",
    "lagging_statistics",
    "leaking_inputs",
    "learning_rate",
    "loss_and_output",
    "missing_class",
    "non_finite_data",
    "non_finite_loss",
    "non_numeric_data",
    "output_range",
    "overfitting",
    "rare_class",
    "regression_accuracy",
    "saturated_units",
    "single_unit_softmax",
    "small_batches",
    "summed_loss",
    "symmetric_weights",
    "target_shape",
    "training_length",
    "trivial_predictor",
    "underfitting",
    "unmasked_padding",
    "unrelated_labels",
    "unscaled_inputs",
    "unscaled_targets",
    "unshuffled_data",
    "untouched_statistics",
    "untrained_embedding",
    "untrained_layers",
    "unused_outputs",
    "validation_data",
]
