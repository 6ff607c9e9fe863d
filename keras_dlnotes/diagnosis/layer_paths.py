"""How the layers of a functional model are connected: what has a way around it, what is a gate."""

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import has_graph
from keras_dlnotes.instrumentation.watched_layers import passes_on

_INPUTS = -1
PRODUCTS = ("AdditiveAttention", "Attention", "Dot", "Einsum", "Matmul", "Multiply")


class LayerPaths:
    """The graph of a model with all nested models opened.

    Args:
        model: a Keras model; of one of the user's own class nothing is known.
    """

    def __init__(self, model):
        self.known = has_graph(model)
        self._operations = []  # in an order in which they can be computed
        self._parents = []  # for each the places of those that it reads
        self._sizes = {}  # from an operation's identity to the numbers of its output
        ends = []
        if self.known:
            sources = [_INPUTS] * len(getattr(model, "inputs", None) or [None])
            ends = self._call(model, sources)
        self._bypassed = self._places_with_a_way_around(ends)
        self._gates = self._places_of_gates()

    def bypassed(self, layer):
        """Whether some of what reaches the outputs need not pass the layer; so if it is unknown."""
        return not any(
            operation is layer and not around
            for operation, around in zip(self._operations, self._bypassed, strict=True)
        )

    def is_gate(self, layer):
        """Whether the layer's outputs are multiplied with others before any layer reads them."""
        return any(self._operations[place] is layer for place in self._gates)

    def size(self, layer):
        """How many numbers it makes of an example; None if that is unknown."""
        return self._sizes.get(id(layer))

    def _call(self, model, sources):
        """Adds the operations of a model; returns the places that its outputs come from."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                nodes = internals.inbound_nodes.of(layer, [])
                outputs = getattr(nodes[0], "outputs", []) if nodes else []
                sources = self._apply(layer, sources[:1], outputs[:1])
            return sources
        made = {id(tensor): place for tensor, place in zip(model.inputs, sources, strict=False)}
        for _, nodes in sorted(internals.nodes_by_depth.of(model).items(), reverse=True):
            for node in nodes:
                if node.is_input or any(id(t) not in made for t in node.input_tensors):
                    continue
                given = [made[id(tensor)] for tensor in node.input_tensors]
                places = self._apply(node.operation, given, node.outputs)
                for tensor, place in zip(node.outputs, places, strict=False):
                    made[id(tensor)] = place
        return [made[id(tensor)] for tensor in model.outputs if id(tensor) in made]

    def _apply(self, operation, sources, outputs):
        if isinstance(operation, keras.layers.InputLayer):
            return sources
        if isinstance(operation, keras.Model) and has_graph(operation):
            return self._call(operation, sources)
        self._operations.append(operation)
        self._parents.append(sources)
        shape = tuple(outputs[0].shape[1:]) if outputs else (None,)
        if None not in shape:
            self._sizes[id(operation)] = int(np.prod(shape))
        return [len(self._operations) - 1] * max(len(outputs), 1)

    def _places_with_a_way_around(self, ends):
        """Whether a connection leads past each place, in the order of computation.

        What all ways pass comes after everything before it and before everything behind it, in any
        such order, so a way around it holds a connection from an earlier place to a later one.
        """
        count = len(self._operations)
        past = np.zeros(count + 2, dtype=int)
        edges = [(end, count) for end in ends]
        edges += [(p, place) for place, parents in enumerate(self._parents) for p in parents]
        for start, end in edges:
            past[start + 1] += 1
            past[end] -= 1
        return np.cumsum(past)[:count] > 0

    def _places_of_gates(self):
        gates: set[int] = set()
        # From the end on: a place leads to a product if one of those that read it does.
        for place in reversed(range(len(self._operations))):
            operation = self._operations[place]
            product = type(operation).__name__ in PRODUCTS and len(self._parents[place]) > 1
            if product or (place in gates and _only_moves(operation)):
                gates.update(parent for parent in self._parents[place] if parent != _INPUTS)
        return gates


def _only_moves(operation):
    """Whether it hands on what it is given, but for shape and arithmetic without weights."""
    if isinstance(operation, keras.Layer):
        return passes_on(operation)
    return not internals.functions.defines(type(operation))
