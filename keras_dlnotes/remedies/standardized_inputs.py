"""Inputs of mean 0 and standard deviation 1, by a layer in front of the model."""

import keras

from keras_dlnotes.diagnosis import as_taken
from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
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
    _apply,
    lambda facts, _: "inputs scaled to mean 0 and standard deviation 1 by a first layer",
    lambda facts, _: [
        "normalization = keras.layers.Normalization()",
        "normalization.adapt(x)",
        "inputs = keras.Input(x.shape[1:])",
        "model = keras.Model(inputs, model(normalization(inputs)))",
    ],
)
