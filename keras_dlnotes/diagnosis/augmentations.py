"""What a model's layers of random augmentation make of its inputs."""

import keras

from keras_dlnotes.instrumentation import find_watched_layers

_MODULE = "keras.src.layers.preprocessing.image_preprocessing.random_"


def augmented_inputs(model, inputs):
    """Pairs of a layer's name and the inputs as a copy of it changes them, each layer for itself.

    Args:
        model: a Keras model.
        inputs: array of pictures.
    """
    for watched in find_watched_layers(model):
        layer = watched.layer
        if type(layer).__module__.startswith(_MODULE):
            # A copy: the layer's own random numbers are those of the user's next run.
            copy = type(layer).from_config(layer.get_config() | {"seed": 0})
            yield watched.name, keras.ops.convert_to_numpy(copy(inputs, training=True))
