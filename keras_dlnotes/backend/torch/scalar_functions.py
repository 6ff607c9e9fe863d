"""A scalar function evaluated at many points at once, and its gradient; for gradient checks."""

import contextlib

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from keras_dlnotes.backend import internals as keras_internals
from keras_dlnotes.backend.replacements import replaced_here
from keras_dlnotes.backend.torch import internals

# How many rows can be evaluated at once, fastest first.
WAYS = ("vectorized",)
# A program is compiled anew for each number of rows.
COMPILES_BY_ROW_COUNT = False


@contextlib.contextmanager
def native_float64():
    """Scope in which torch makes 64-bit arrays where no dtype is named, in the running thread."""
    with (
        replaced_here(torch, "get_default_dtype", lambda _: lambda: torch.float64),
        _WideArrays(),
        # On a GPU the gradient of a custom operation would run in a thread of its own.
        torch.autograd.set_multithreading_enabled(False),
    ):
        yield


class _WideArrays(TorchFunctionMode):
    """Scope in which arrays made of Python numbers, or of none, are of 64 bits.

    `torch.set_default_dtype` would make them so for all threads.
    """

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        made = function in _OF_FLOATS or (
            function in _OF_NUMBERS and _are_floats((arguments, options))
        )
        if made and options.get("dtype") is None and "out" not in options:
            options = {**options, "dtype": torch.float64}
        return function(*arguments, **options)


_OF_FLOATS = {
    torch.empty,
    torch.eye,
    torch.linspace,
    torch.logspace,
    torch.ones,
    torch.rand,
    torch.randn,
    torch.zeros,
}
_OF_NUMBERS = {
    torch.arange,
    torch.as_tensor,
    torch.asarray,
    torch.full,
    torch.normal,
    torch.range,
    torch.scalar_tensor,
    torch.tensor,
}


def _are_floats(arguments):
    """Whether numbers are plain ones, and at least one of them a float."""
    leaves = keras.tree.flatten(arguments)
    if any(isinstance(leaf, torch.Tensor | np.ndarray | np.generic) for leaf in leaves):
        return False
    return any(isinstance(leaf, float) for leaf in leaves)


def over_rows(function, way):
    """A function of constants and one row, made to take many rows.

    Args:
        function: takes a list of arrays and an array, the row, and returns a scalar.
        way: one of `WAYS`.

    Returns:
        Takes the list of arrays and a NumPy array of rows, and returns a NumPy vector.
    """
    run = torch.vmap(function, in_dims=(None, 0), randomness="same")

    def evaluate(constants, rows):
        with torch.no_grad(), _AnyLayout(), _values_alone(), _no_warning_of_speed():
            return run(constants, constant(rows)).cpu().numpy().astype("float64")

    return evaluate


def _values_alone():
    """Scope in which `keras.ops.custom_gradient` gives values without gradient, which vmap can."""

    def value(self, *arguments):
        return self.forward_fn(*arguments)[0]

    return replaced_here(keras_internals.custom_gradient.value, "__call__", lambda _: value)


@contextlib.contextmanager
def _no_warning_of_speed():
    """Scope in which vmap does not tell of an operation that it takes row by row."""
    # torch has one switch for the whole process: a vmap that another thread runs meanwhile does not
    # tell either, and afterwards the warning is on, as it is by default, whatever was set before
    # (it cannot be read). `warnings.catch_warnings` would lose what other threads set meanwhile.
    warn = internals.warn_of_slow_vmap.value_or(lambda on: None)
    warn(False)
    try:
        yield
    finally:
        warn(True)


class _AnyLayout(TorchFunctionMode):
    """Scope in which each layout in memory will do: vmap does not know what it is.

    Keras asks for "channels last" in convolutions.
    """

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function in _ABOUT_LAYOUT and "memory_format" in options:
            options = {k: v for k, v in options.items() if k != "memory_format"}
        return function(*arguments, **options)


_ABOUT_LAYOUT = (torch.Tensor.is_contiguous, torch.Tensor.contiguous)


def gradient_function(function, way):
    """Value and gradient of a scalar function of a list of arrays, as training computes them.

    Returns:
        Takes the list of arrays; returns a number and a list of NumPy arrays, None where the
        function's graph does not lead to an array.
    """

    def evaluate(values):
        leaves = [v.detach().requires_grad_() for v in values]
        with torch.enable_grad():
            # Copies, because a layer may write into its inputs, which leaves do not allow.
            loss = function([leaf.clone() for leaf in leaves])
        if not loss.requires_grad:
            return float(loss.detach()), [None] * len(leaves)
        gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        dense = [g.to_dense() if g is not None and g.is_sparse else g for g in gradients]
        return float(loss.detach()), [None if g is None else np.asarray(g.cpu()) for g in dense]

    return evaluate


def slope_function(function, vectors):
    """The function <gradient of `function`, vectors> of the same arrays, itself differentiable."""

    def slope(values):
        with torch.enable_grad():
            leaves = [v if v.requires_grad else v.detach().requires_grad_() for v in values]
            loss = function(leaves)
            total = loss * 0.0
            if loss.requires_grad:
                gradients = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
                for g, v in zip(gradients, vectors, strict=True):
                    if g is not None:
                        total = total + torch.sum(g * v)
        return total

    return slope


def constant(array):
    """A NumPy array on the device."""
    return torch.as_tensor(array, device=keras_internals.get_device.value())


def dtype_name(tensor):
    """Name of a tensor's dtype."""
    return str(tensor.dtype).removeprefix("torch.")


def trace(function, values):
    """Runs the function once, for what it notes down on the way; its result is not wanted."""
    function(values)
