"""Batch normalization before each activation."""

from keras_dlnotes.layers import normalize_before_activation
from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    draft.models.append(lambda model, inputs: normalize_before_activation(model))


NORMALIZATION = Remedy(
    "normalization",
    _apply,
    lambda facts, _: "batch normalization before each hidden activation",
    lambda facts, _: ["model = kd.layers.normalize_before_activation(model)"],
)
