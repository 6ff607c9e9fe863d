"""Remedies that change the built model: trained layers, other weights, normalization."""

from keras_dlnotes.initializers import He, Xavier, initialize
from keras_dlnotes.layers import normalize_before_activation
from keras_dlnotes.remedies.draft import Remedy


def _train_all(draft, _):
    def thaw(model, inputs):
        # On TensorFlow the setting of a value that is there already reaches no layer below.
        model.trainable = False
        model.trainable = True
        return model

    draft.models.append(thaw)


TRAINABLE = Remedy(
    "trainable",
    _train_all,
    lambda facts, _: "all layers trained",
    lambda facts, _: ["model.trainable = False", "model.trainable = True"],
)


_INITIALIZERS = {"he": He, "xavier": Xavier}


def _start_anew(draft, name):
    def start(model, inputs):
        initialize(model, _INITIALIZERS[name](seed=draft.seed))
        return model

    draft.models.append(start)


def _start_code(facts, name):
    kind = _INITIALIZERS[name].__name__
    return [f"kd.initializers.initialize(model, kd.initializers.{kind}())"]


INITIALIZER = Remedy(
    "initializer",
    _start_anew,
    lambda facts, name: f"weights that start by the rule of {name.capitalize()}",
    _start_code,
)


def _normalize(draft, _):
    draft.models.append(lambda model, inputs: normalize_before_activation(model))


NORMALIZATION = Remedy(
    "normalization",
    _normalize,
    lambda facts, _: "batch normalization before each hidden activation",
    lambda facts, _: ["model = kd.layers.normalize_before_activation(model)"],
)
