"""Another activation of the hidden layers."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, activation):
    names = _names(draft.facts)

    def change(layer, config):
        if layer.name in names and "activation" in config:
            config["activation"] = activation
        return config

    draft.layers.append(change)


def _code(facts, activation):
    return [
        f"for name in {sorted(_names(facts))}:",
        f'    model.get_layer(name).activation = keras.activations.get("{activation}")',
    ]


def _names(facts):
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
    _apply,
    lambda facts, activation: f"activation {activation!r} in the hidden layers",
    _code,
)
