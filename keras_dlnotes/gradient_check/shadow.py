"""A model's own layers, computing in another precision for a while."""

import contextlib

import keras

from keras_dlnotes.backend.float64 import floatx_here, true_float64

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
    with contextlib.ExitStack() as stack:
        stack.enter_context(true_float64() if dtype == "float64" else floatx_here(dtype))
        is_float = keras.backend.is_float_dtype
        policy = keras.dtype_policies.DTypePolicy(dtype)
        for layer in layers:
            if not getattr(layer.dtype_policy, "quantization_mode", None):
                stack.enter_context(replaced(layer, "_dtype_policy", policy))
            functional = getattr(layer, "_functional", layer)  # what a Sequential runs
            for tensor in getattr(functional, "_inputs", None) or ():  # inputs are cast to these
                if is_float(tensor.dtype):
                    stack.enter_context(replaced(tensor, "_dtype", dtype))
            # A Sequential inside another model casts what it is given to its input layer's dtype.
            if isinstance(layer, keras.layers.InputLayer) and is_float(layer.dtype):
                stack.enter_context(replaced(layer, "_dtype", dtype))
        for variable in {id(v): v for layer in layers for v in layer.variables}.values():
            if is_float(variable.dtype):
                stack.enter_context(replaced(variable, "_dtype", dtype))
        for loss in losses:
            stack.enter_context(replaced(loss, "_dtype_policy", policy))
            stack.enter_context(replaced(loss, "_dtype", dtype))
        yield


@contextlib.contextmanager
def replaced(item, name, value):
    """One attribute, past the hooks by which Keras and torch track what is assigned."""
    attributes = item.__dict__
    before = attributes[name]
    attributes[name] = value
    try:
        yield
    finally:
        attributes[name] = before
