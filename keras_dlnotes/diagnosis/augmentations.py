"""What a model's layers of random augmentation make of its inputs."""

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import find_watched_layers
from keras_dlnotes.instrumentation.watched_layers import has_graph


def augmented_inputs(model, inputs):
    """Pairs of a layer's name and the inputs as a copy of it changes them, each layer for itself.

    Only layers at the front of a graph are asked, those that are given the model's input as it is
    or as other layers of augmentation changed it: what a layer behind a `Rescaling` or a `Reshape`
    is given is not known here. A layer whose copy cannot be called is left out.

    Args:
        model: a Keras model.
        inputs: array of images.
    """
    front = {id(layer) for layer in _at_the_front(model)[0]}
    for watched in find_watched_layers(model):
        layer = watched.layer
        if id(layer) not in front:
            continue
        try:
            # A copy: the layer's own random numbers are those of the user's next run.
            copy = type(layer).from_config(layer.get_config() | {"seed": 0})
            changed = keras.ops.convert_to_numpy(copy(inputs, training=True))
        except Exception:  # of whatever kind, it must not end the judgement
            continue
        yield watched.name, changed


def _at_the_front(model):
    """The layers of augmentation that the inputs reach first, and whether there are only such."""
    graph = internals.functional_of_sequential.of(model, model)
    nodes_by_depth = internals.nodes_by_depth.of(graph, None)
    if nodes_by_depth is None:
        return [], False
    found = []
    untouched = {id(tensor) for tensor in graph.inputs}
    for depth in sorted(nodes_by_depth, reverse=True):
        for node in nodes_by_depth[depth]:
            layer, given = node.operation, node.input_tensors
            if not given or any(id(tensor) not in untouched for tensor in given):
                continue
            if internals.random_augmentation.defines(type(layer)):
                found.append(layer)
            elif isinstance(layer, keras.Model) and has_graph(layer):
                inner, only = _at_the_front(layer)
                found += inner
                if not only:
                    continue
            else:
                continue
            untouched.update(id(tensor) for tensor in node.outputs)
    return found, all(id(tensor) in untouched for tensor in graph.outputs)
