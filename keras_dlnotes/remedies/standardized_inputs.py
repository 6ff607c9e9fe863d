"""Inputs of mean 0 and standard deviation 1, by a layer in front of the model."""

import keras

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    def front(model, inputs):
        if len(inputs) != 1:
            raise ValueError("the model has several inputs")
        normalization = keras.layers.Normalization()
        normalization.adapt(inputs[0])
        given = getattr(model, "inputs", None)
        shape = given[0].shape if given else (None, *inputs[0].shape[1:])
        x = keras.Input(batch_shape=shape)
        return keras.Model(x, model(normalization(x)))

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
