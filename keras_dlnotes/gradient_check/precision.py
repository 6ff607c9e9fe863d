"""A model's own layers, computing in another precision and from given values for a while."""

import contextlib

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.backend.float64 import floatx_here, true_float64
from keras_dlnotes.backend.replacements import patched

PRECISIONS = {"float64": 2.0**-52, "float32": 2.0**-23}


@contextlib.contextmanager
def computing_in(dtype, layers, losses=()):
    """Lets layers and losses compute in `dtype`, whatever their own policies.

    Nothing is rebuilt from a configuration, which many custom layers do not have: the layers are
    those of the model, and what changes is the policy that they read at each call and the dtype
    that their variables report. The variables' values are untouched; a `FrozenScope` gives others.
    Everything is put back at the end, also after an exception.

    Quantized layers keep their policies.

    Args:
        dtype: "float64" or "float32".
        layers: all layers, nested ones included.
        losses: `keras.losses.Loss` objects.
    """
    with true_float64() if dtype == "float64" else floatx_here(dtype):
        entries = list(_entries(dtype, layers, losses))
        with patched([(item, entry.name_on(item), value) for item, entry, value in entries]):
            yield


def _entries(dtype, layers, losses):
    """What is replaced by what: `(object, entry of internals, value)`."""
    is_float = keras.backend.is_float_dtype
    policy = keras.dtype_policies.DTypePolicy(dtype)
    for layer in layers:
        if not getattr(layer.dtype_policy, "quantization_mode", None):
            yield layer, internals.policy_of_layer, policy
        graph = internals.functional_of_sequential.of(layer, layer)  # what a Sequential runs
        inputs = internals.inputs_of_functional.of(graph, None)
        for tensor in inputs or ():  # inputs are cast to these
            if is_float(tensor.dtype):
                yield tensor, internals.dtype_of_tensor, dtype
        # A Sequential inside another model casts what it is given to its input layer's dtype.
        if isinstance(layer, keras.layers.InputLayer) and is_float(layer.dtype):
            yield layer, internals.dtype_of_input_layer, dtype
    for variable in {id(v): v for layer in layers for v in layer.variables}.values():
        if is_float(variable.dtype):
            yield variable, internals.dtype_of_variable, dtype
    for loss in losses:
        yield loss, internals.policy_of_loss, policy
        yield loss, internals.dtype_of_loss, dtype


class FrozenScope(keras.StatelessScope):
    """While it lasts, variables have the given values, whatever is assigned to them.

    A training forward pass writes moving averages, and `SpectralNormalization` even its kernel:
    the loss would be another function after each call. Seeds are not among the given values; they
    advance within one scope and start anew with the next, so that each draws the same numbers.

    Args:
        values: list of `(variable, tensor)`.
    """

    def __init__(self, values):
        super().__init__(collect_losses=True, initialize_variables=False)
        # Not by the base class's argument, which would cast them to the variables' own dtype.
        self.state_mapping.update({id(variable): value for variable, value in values})
        self._frozen = frozenset(self.state_mapping)

    def add_update(self, update):
        """Drops what is assigned to a variable that was given a value."""
        variable, _ = update
        if id(variable) not in self._frozen:
            super().add_update(update)
