"""No penalties on weights or outputs, and little dropout."""

from keras_dlnotes.remedies.draft import Remedy

_MOST_DROPOUT = 0.3


def _apply(draft, _):
    def change(layer, config):
        config |= {name: None for name in config if name.endswith("_regularizer")}
        if "rate" in config and "Dropout" in type(layer).__name__:
            config["rate"] = min(config["rate"], _MOST_DROPOUT)
        return config

    draft.layers.append(change)


WITHOUT_PENALTIES = Remedy(
    "without_penalties",
    _apply,
    lambda facts, _: f"no penalties on weights or outputs, and dropout of {_MOST_DROPOUT} at most",
    lambda facts, _: [
        "for layer in model.layers:",
        "    layer.activity_regularizer = None",
        "    for weight in layer.weights:",
        "        weight.regularizer = None",
        '    if "Dropout" in type(layer).__name__:',
        f"        layer.rate = min(layer.rate, {_MOST_DROPOUT})",
    ],
)
