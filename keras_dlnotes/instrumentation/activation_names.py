"""Which of Keras's activation functions something applies, seen by what it computes.

A name tells little: TensorFlow's softmax is called `softmax_v2`, and a lambda has no name at all.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.own_random_numbers import OwnRandomNumbers

OWN_FUNCTION = "own function"

# Around 0, where functions bend, and far out, where they are flat.
_PROBE = np.array(
    [
        [-3.5, -1.2, -0.3, 0.0, 0.7, 2.1],
        [-9.0, -2.4, 0.2, 1.6, 4.8, 9.0],
        [6.5, 0.4, -0.6, -5.0, 2.7, -1.9],
        [0.1, 3.1, -4.2, 1.1, -0.1, 7.5],
    ]
)


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def _softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def _softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def _sparsemax(x: Any) -> Any:
    """The nearest point whose numbers are not negative and add up to 1."""
    largest_first = -np.sort(-x, axis=-1)
    surplus = (np.cumsum(largest_first, axis=-1) - 1.0) / np.arange(1, x.shape[-1] + 1)
    count = (largest_first > surplus).sum(axis=-1, keepdims=True)
    return np.maximum(x - np.take_along_axis(surplus, count - 1, axis=-1), 0.0)


# What the functions of `keras.activations` compute at their defaults; `leaky_relu` and `elu`, whose
# slopes differ between frameworks, are in `_relative_of`. In NumPy: to run them all on JAX takes
# seconds of compilation.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softmax": _softmax,
    "exponential": np.exp,
    "softplus": _softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": lambda x: np.clip(x, -1.0, 1.0),
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x * (1.0 + np.vectorize(math.erf)(x / 2**0.5)) / 2.0,
    "gelu approximate": lambda x: (
        x * (1.0 + np.tanh((2.0 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2.0
    ),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "selu": lambda x: 1.05070099 * np.where(x > 0.0, x, 1.67326324 * np.expm1(x)),
    "log_sigmoid": lambda x: -_softplus(-x),
    "log_softmax": lambda x: np.log(_softmax(x)),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4.0)) / 2.0,
    "sparse_plus": lambda x: np.where(x > 1.0, x, np.maximum(x + 1.0, 0.0) ** 2 / 4.0),
    "sparse_sigmoid": lambda x: np.clip((x + 1.0) / 2.0, 0.0, 1.0),
    "sparsemax": _sparsemax,
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0.0),
    "tanh_shrink": lambda x: x - np.tanh(x),
}
# Inverses of functions that are also known when their argument is multiplied by a positive number.
_INVERSES: dict[str, Callable[..., Any]] = {
    "softmax": np.log,
    "sigmoid": lambda a: np.log(a / (1.0 - a)),
    "tanh": np.arctanh,
}


def activation_name(function: Callable[..., Any]) -> str:
    """Name of the function in `keras.activations` that computes the same as a callable.

    The two are compared on a few numbers. `leaky_relu` and `elu` are recognised whatever their
    slope, and softmax, sigmoid and tanh also of a positive multiple.

    Args:
        function: a callable of one array, such as `tf.nn.softmax` or a lambda.

    Returns:
        The name; `OWN_FUNCTION` if none of them computes the same.
    """
    name = getattr(function, "__name__", "")
    if function is getattr(keras.activations, name, None):
        return name
    values = _values(function)
    return OWN_FUNCTION if values is None else _name_of(values)


def activation_of(layer: Any) -> str | None:
    """Name of the activation that a layer, or another operation of a model, applies.

    Args:
        layer: a layer or an operation of `keras.ops`.

    Returns:
        A name of `keras.activations`, "prelu", or `OWN_FUNCTION`; None where it applies none, or
        cannot be asked without its inputs.
    """
    function = getattr(layer, "activation", None)
    if isinstance(function, keras.Layer):
        return activation_of(function) or OWN_FUNCTION
    if callable(function):
        return activation_name(function)
    if isinstance(layer, keras.layers.PReLU):
        return "prelu"
    if isinstance(layer, keras.Layer) and not _is_function_alone(layer):
        return None
    if not isinstance(layer, keras.Operation):
        return None
    # `call`, since calling the layer itself would change what it knows of its input.
    values = _values(layer.call)
    return None if values is None else _name_of(values)


def _is_function_alone(layer: keras.Layer) -> bool:
    """Whether a layer keeps nothing and so may be asked; of Keras's, only those that are meant."""
    if layer.variables or list(internals.flatten_layers(layer, include_self=False)):
        return False
    kind = type(layer)
    if internals.activations.defines(kind) or isinstance(layer, keras.layers.Lambda):
        return True
    return not internals.keras_itself.defines(kind)


def _values(function: Callable[..., Any]) -> np.ndarray | None:
    """What a callable makes of the probe; None if it does not take it, or changes its shape."""
    # A layer of the user's own may draw: what is drawn in training must stay the same. Keras makes
    # its generator at the first draw, from a number that it draws by Python's `random`.
    known = internals.get_global.value(internals.GLOBAL_SEEDS)
    seeds: keras.Variable | None = None
    try:
        if known is not None:
            seeds = internals.global_seeds.value().state
            before = ops.convert_to_numpy(seeds).copy()
    except ValueError:  # JAX traces a step: there Keras refuses to draw from these
        seeds = None
    except NotImplementedError:  # within a TensorFlow graph nothing has a value
        return None
    try:
        with (
            OwnRandomNumbers().scope(),
            active.random_numbers.SameRandomNumbers().scope(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # torch's softmax without `dim` warns
            values = ops.convert_to_numpy(function(ops.convert_to_tensor(_PROBE, "float32")))
    except Exception:  # it may be anything
        return None
    finally:
        if seeds is not None:
            seeds.assign(before)
        if known is None:
            internals.set_global.value(internals.GLOBAL_SEEDS, None)
    return values.astype("float64") if values.shape == _PROBE.shape else None


def _name_of(values: np.ndarray) -> str:
    for name, known in _FUNCTIONS.items():
        if _alike(values, known(_PROBE)):
            return name.split()[0]
    return _relative_of(values) or OWN_FUNCTION


def _relative_of(values: np.ndarray) -> str | None:
    """Name of a function of which this is one with another slope or scale; None if of none."""
    negative = _PROBE < 0.0
    if _alike(values[~negative], _PROBE[~negative]):
        for name, below, largest in (
            ("leaky_relu", _PROBE, 1.0),
            ("elu", np.expm1(_PROBE), np.inf),
        ):
            slopes = values[negative] / below[negative]
            if 0.0 < slopes[0] < largest and _alike(slopes, np.full_like(slopes, slopes[0])):
                return name
    for name, inverse in _INVERSES.items():
        with np.errstate(all="ignore"):
            first, second = inverse(values[0, 2:4])
            scale = (second - first) / (_PROBE[0, 3] - _PROBE[0, 2])
            if scale > 0.0 and _alike(values, _FUNCTIONS[name](scale * _PROBE)):
                return name
    return None


def _alike(first: np.ndarray, second: np.ndarray) -> bool:
    return np.allclose(first, second, rtol=1e-3, atol=1e-5)
