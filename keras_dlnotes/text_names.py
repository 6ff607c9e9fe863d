"""Parts that `compile` and layers find by their name as text, as they find Keras's own.

Only names that Keras does not have: `"adam"` or `"l1"` as text is always Keras's.
"""

import keras

from keras_dlnotes import initializers, optimizers

_OPTIMIZERS: tuple[type, ...] = (
    optimizers.BFGS,
    optimizers.GaussNewton,
    optimizers.LBFGS,
    optimizers.Newton,
    optimizers.NewtonCG,
)
# In lower case only: a user's class may well be called `He` or `Xavier`, and have no arguments.
_INITIALIZERS = {
    "he": initializers.He,
    "small_random": initializers.SmallRandom,
    "xavier": initializers.Xavier,
}


class TextName(str):
    """A name as text that makes the part with its defaults.

    Keras looks names up among the custom objects, of which this is one. There it also replaces
    each text that is equal to a name, wherever it stands in a configuration: a word of a vocabulary
    too. So what it finds has to be that very text.

    Args:
        name: The name.
        part: The class that it stands for.
    """

    part: type

    def __new__(cls, name, part):
        """Makes the text, and notes the class beside it."""
        text = super().__new__(cls, name)
        text.part = part
        return text

    def __reduce__(self):
        """Copies and pickles are plain text."""
        return str, (str(self),)

    def from_config(self, config):
        """Makes the part; Keras calls this with the arguments `{}` of a name alone."""
        if config:
            raise ValueError(
                f"Expected {str(self)!r} to be a name alone, which stands for "
                f"keras_dlnotes's {self.part.__name__}. Received: the configuration {config}, of a "
                "class of this name that is not registered. Register it by "
                "`@keras.saving.register_keras_serializable(package=...)`, or give it another name."
            )
        return self.part()


def register() -> None:
    """Adds the names to Keras's custom objects, but those that Keras has itself."""
    parts: dict[str, type] = dict(_INITIALIZERS)
    for part in _OPTIMIZERS:
        if not hasattr(keras.optimizers, part.__name__):
            parts |= {part.__name__: part, part.__name__.lower(): part}
    for name, part in parts.items():
        keras.saving.get_custom_objects()[name] = TextName(name, part)
