"""Another output layer: its units, its activation, one prediction an example."""

from keras_dlnotes.remedies.draft import Remedy


def _set_units(draft, units):
    name = _kernel_layer(draft.facts).name

    def change(layer, config):
        if layer.name == name:
            config |= {key: units for key in ("units", "filters") if key in config}
        return config

    draft.layers.append(change)


def _units_sentence(facts, units):
    return f"{units} output units instead of {_kernel_layer(facts).units}"


def _units_code(facts, units):
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


OUTPUT_UNITS = Remedy("output_units", _set_units, _units_sentence, _units_code)


def _set_activation(draft, activation):
    def change(layer, config):
        if layer.name == draft.facts.output_layer and "activation" in config:
            config["activation"] = activation
        return config

    draft.layers.append(change)


def _activation_sentence(facts, activation):
    return f"output activation {activation!r} instead of {facts.output_activation!r}"


def _activation_code(facts, activation):
    name = facts.output_layer
    return [f'model.get_layer("{name}").activation = keras.activations.get("{activation}")']


OUTPUT_ACTIVATION = Remedy("activation", _set_activation, _activation_sentence, _activation_code)


def _predict_once(draft, _):
    name = _last_recurrent(draft.facts)

    def change(layer, config):
        if layer.name == name and "return_sequences" in config:
            config["return_sequences"] = False
        return config

    draft.layers.append(change)


def _last_recurrent(facts):
    return next((layer.name for layer in reversed(facts.layers) if layer.recurrent), None)


ONE_PREDICTION = Remedy(
    "one_prediction",
    _predict_once,
    lambda facts, _: f"return_sequences=False in layer {_last_recurrent(facts)!r}",
    lambda facts, _: [
        "# In a model that is not Sequential, change it in the model's definition.",
        f'model.get_layer("{_last_recurrent(facts)}").return_sequences = False',
        "model = keras.Sequential([keras.Input(x.shape[1:]), *model.layers])",
    ],
)
