"""A scalar function evaluated at many points at once, and its gradient; for gradient checks."""

import contextlib
import warnings

import numpy as np
import torch
from keras.src.backend.torch import core
from keras.src.backend.torch.core import get_device
from torch.overrides import TorchFunctionMode

# How many rows can be evaluated at once, fastest first.
WAYS = ("vectorized",)
# A program is compiled anew for each number of rows.
COMPILES_BY_ROW_COUNT = False


@contextlib.contextmanager
def native_float64():
    """Scope in which torch makes 64-bit arrays where no dtype is named."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def same_random_numbers():
    """Scope of one evaluation, in which torch's global generator starts anew.

    Keras's dropout draws from it where no seed was given.
    """
    with torch.random.fork_rng():
        # What `torch.manual_seed` does, without the milliseconds that its other devices take.
        torch.default_generator.manual_seed(0)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(0)
        yield


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
        with torch.no_grad(), _AnyLayout(), _values_alone(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")
            return run(constants, constant(rows)).cpu().numpy().astype("float64")

    return evaluate


@contextlib.contextmanager
def _values_alone():
    """Scope in which `keras.ops.custom_gradient` gives values without gradient, which vmap can."""
    call = core.custom_gradient.__call__
    core.custom_gradient.__call__ = lambda self, *arguments: self.forward_fn(*arguments)[0]
    try:
        yield
    finally:
        core.custom_gradient.__call__ = call


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
    return torch.as_tensor(array, device=get_device())


def dtype_name(tensor):
    """Name of a tensor's dtype."""
    return str(tensor.dtype).removeprefix("torch.")


def trace(function, values):
    """Runs the function once, for what it notes down on the way; its result is not wanted."""
    function(values)
