"""Another activation of the output."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, activation):
    def change(layer, config):
        if layer.name == draft.facts.output_layer and "activation" in config:
            config["activation"] = activation
        return config

    draft.layers.append(change)


def _sentence(facts, activation):
    return f"output activation {activation!r} instead of {facts.output_activation!r}"


def _code(facts, activation):
    name = facts.output_layer
    return [f'model.get_layer("{name}").activation = keras.activations.get("{activation}")']


OUTPUT_ACTIVATION = Remedy("activation", _apply, _sentence, _code)
