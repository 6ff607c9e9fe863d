"""As many output units as there are classes or targets."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, units):
    name = _kernel_layer(draft.facts).name

    def change(layer, config):
        if layer.name == name:
            config |= {key: units for key in ("units", "filters") if key in config}
        return config

    draft.layers.append(change)


def _sentence(facts, units):
    return f"{units} output units instead of {_kernel_layer(facts).units}"


def _code(facts, units):
    layer = _kernel_layer(facts)
    if layer.kind != "Dense" or layer.name != facts.output_layer:
        return [f"# In the model's definition: {units} units in layer {layer.name!r}."]
    return [
        "# In a model that is not Sequential, change the layer in the model's definition.",
        "model.pop()",
        f'model.add(keras.layers.Dense({units}, "{layer.activation}", name="{layer.name}"))',
    ]


def _kernel_layer(facts):
    """The layer that makes the output's numbers; an activation may follow it."""
    return next(layer for layer in reversed(facts.layers) if layer.is_output and layer.has_kernel)


OUTPUT_UNITS = Remedy("output_units", _apply, _sentence, _code)
