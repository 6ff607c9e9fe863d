"""More units in the hidden layers."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, times):
    names = set(_names(draft.facts))

    def change(layer, config):
        if layer.name in names:
            config |= {
                name: times * config[name] for name in ("units", "filters") if name in config
            }
        return config

    draft.layers.append(change)


def _names(facts):
    """Hidden layers that are trained: frozen ones keep their weights."""
    return [layer.name for layer in facts.hidden if layer.trainable]


WIDER = Remedy(
    "wider",
    _apply,
    lambda facts, times: f"{times} times as many units in the hidden layers",
    lambda facts, times: [
        f"# In the model's definition: {times} times as many units in the layers {_names(facts)}."
    ],
)
