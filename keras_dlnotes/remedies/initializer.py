"""Kernels drawn anew by He's or Xavier's rule."""

from keras_dlnotes.initializers import He, Xavier, initialize
from keras_dlnotes.remedies.draft import Remedy

_INITIALIZERS = {"he": He, "xavier": Xavier}


def _apply(draft, name):
    def start(model, inputs):
        initialize(model, _INITIALIZERS[name](seed=draft.seed))
        return model

    draft.models.append(start)


def _code(facts, name):
    kind = _INITIALIZERS[name].__name__
    return [f"kd.initializers.initialize(model, kd.initializers.{kind}())"]


INITIALIZER = Remedy(
    "initializer",
    _apply,
    lambda facts, name: f"weights that start by the rule of {name.capitalize()}",
    _code,
)
