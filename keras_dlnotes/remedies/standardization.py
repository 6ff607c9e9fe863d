"""Inputs and targets of mean 0 and standard deviation 1."""

import keras
import numpy as np

from keras_dlnotes.diagnosis import as_taken
from keras_dlnotes.remedies.draft import Remedy


def _scale_inputs(draft, _):
    def front(model, inputs):
        known = getattr(model, "inputs", None) or [None] * len(inputs)
        given, scaled = [], []
        for tensor, part in zip(known, inputs, strict=True):
            shape = (None, *part.shape[1:]) if tensor is None else tensor.shape
            name = None if tensor is None else tensor.name
            given.append(keras.Input(batch_shape=shape, name=name))
            normalization = keras.layers.Normalization()
            normalization.adapt(part)
            scaled.append(normalization(given[-1]))
        return keras.Model(as_taken(model, given), model(as_taken(model, scaled)))

    draft.models.append(front)


STANDARDIZED_INPUTS = Remedy(
    "standardize",
    _scale_inputs,
    lambda facts, _: "inputs scaled to mean 0 and standard deviation 1 by a first layer",
    lambda facts, _: [
        "normalization = keras.layers.Normalization()",
        "normalization.adapt(x)",
        "inputs = keras.Input(x.shape[1:])",
        "model = keras.Model(inputs, model(normalization(inputs)))",
    ],
)


def _scale_targets(draft, _):
    def examples(inputs, targets):
        mean, deviation = targets.mean(axis=0), targets.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return lambda x, y: (x, ((y - mean) / deviation).astype("float32"))

    draft.examples.append(examples)


STANDARDIZED_TARGETS = Remedy(
    "standardize_targets",
    _scale_targets,
    lambda facts, _: "targets scaled to mean 0 and standard deviation 1",
    lambda facts, _: [
        "# A prediction p then means p * deviation + mean.",
        "mean, deviation = y.mean(axis=0), y.std(axis=0)",
        "y = (y - mean) / deviation",
    ],
)
