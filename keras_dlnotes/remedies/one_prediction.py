"""One prediction an example, where the model makes one for each step of a sequence."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
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
    _apply,
    lambda facts, _: f"return_sequences=False in layer {_last_recurrent(facts)!r}",
    lambda facts, _: [
        "# In a model that is not Sequential, change it in the model's definition.",
        f'model.get_layer("{_last_recurrent(facts)}").return_sequences = False',
        "model = keras.Sequential([keras.Input(x.shape[1:]), *model.layers])",
    ],
)
