"""Layers that are trained instead of frozen."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    def thaw(model, inputs):
        # On TensorFlow the setting of a value that is there already reaches no layer below.
        model.trainable = False
        model.trainable = True
        return model

    draft.models.append(thaw)


TRAINABLE = Remedy(
    "trainable",
    _apply,
    lambda facts, _: "all layers trained",
    lambda facts, _: ["model.trainable = False", "model.trainable = True"],
)
