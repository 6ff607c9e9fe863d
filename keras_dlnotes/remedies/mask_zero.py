"""Embeddings that mask the padding."""

import keras

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    def change(layer, config):
        if isinstance(layer, keras.layers.Embedding):
            config["mask_zero"] = True
        return config

    draft.layers.append(change)


MASK_ZERO = Remedy(
    "mask_zero",
    _apply,
    lambda facts, _: "padding masked (mask_zero=True in the embedding)",
    lambda facts, _: [
        "for layer in model.layers:",
        "    if isinstance(layer, keras.layers.Embedding):",
        "        layer.mask_zero = layer.supports_masking = True",
    ],
)
