"""Remedies that change the configurations of layers, but for the output's."""

import keras

from keras_dlnotes.remedies.draft import Remedy


def _activate(draft, activation):
    names = _activated(draft.facts)

    def change(layer, config):
        if layer.name in names and "activation" in config:
            config["activation"] = activation
        return config

    draft.layers.append(change)


def _activation_code(facts, activation):
    return [
        f"for name in {sorted(_activated(facts))}:",
        f'    model.get_layer(name).activation = keras.activations.get("{activation}")',
    ]


def _activated(facts):
    """Hidden layers with a kernel, and activation layers that stand between them."""
    kernels = {layer.name for layer in facts.hidden if not layer.recurrent}
    alone = {
        layer.name
        for layer in facts.layers
        if layer.kind == "Activation" and not layer.is_output and layer.name != facts.output_layer
    }
    return kernels | alone


HIDDEN_ACTIVATION = Remedy(
    "hidden_activation",
    _activate,
    lambda facts, activation: f"activation {activation!r} in the hidden layers",
    _activation_code,
)


def _widen(draft, times):
    names = set(_widened(draft.facts))

    def change(layer, config):
        if layer.name in names:
            config |= {
                name: times * config[name] for name in ("units", "filters") if name in config
            }
        return config

    draft.layers.append(change)


def _widened(facts):
    """Hidden layers that are trained: frozen ones keep their weights."""
    return [layer.name for layer in facts.hidden if layer.trainable]


WIDER = Remedy(
    "wider",
    _widen,
    lambda facts, times: f"{times} times as many units in the hidden layers",
    lambda facts, times: [
        f"# In the model's definition: {times} times as many units in the layers {_widened(facts)}."
    ],
)


def _mask(draft, _):
    def change(layer, config):
        if isinstance(layer, keras.layers.Embedding):
            config["mask_zero"] = True
        return config

    draft.layers.append(change)


MASK_ZERO = Remedy(
    "mask_zero",
    _mask,
    lambda facts, _: "padding masked (mask_zero=True in the embedding)",
    lambda facts, _: [
        "for layer in model.layers:",
        "    if isinstance(layer, keras.layers.Embedding):",
        "        layer.mask_zero = layer.supports_masking = True",
    ],
)


_MOST_DROPOUT = 0.3


def _drop_penalties(draft, _):
    def change(layer, config):
        config |= {name: None for name in config if name.endswith("_regularizer")}
        if "rate" in config and "Dropout" in type(layer).__name__:
            config["rate"] = min(config["rate"], _MOST_DROPOUT)
        return config

    draft.layers.append(change)
    if draft.facts.weight_decay:
        draft.optimizer_settings["weight_decay"] = 0.0


WITHOUT_PENALTIES = Remedy(
    "without_penalties",
    _drop_penalties,
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
