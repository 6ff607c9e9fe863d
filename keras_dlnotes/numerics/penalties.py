"""The notes' regularization terms Ω(w), as functions of arrays."""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_dlnotes.numerics.fan_in import Layout
from keras_dlnotes.numerics.number_arguments import is_real_number


def half_sum_of_squares(weights: Any) -> Any:
    """L2: Ω(w) = ½ Σ wᵢ²; w → `weights`, any shape. A scalar of its dtype."""
    return 0.5 * ops.sum(ops.square(weights))


def sum_of_magnitudes(weights: Any) -> Any:
    """L1: Ω(w) = Σ |wᵢ|; w → `weights`, any shape. A scalar of its dtype.

    Its derivative is sign(w), and 0 at w = 0 on every backend: JAX's derivative of `abs` there is 1
    and would move weights that were set to 0.
    """
    return ops.sum(weights * ops.stop_gradient(ops.sign(weights)))


def scaled(strength: float, term: Callable[[Any], Any], weights: Any) -> Any:
    """λ Ω(w); λ → `strength`, a Python number, Ω → `term`, one of the functions above."""
    if strength == 0.0:  # not 0 * inf
        return ops.zeros((), weights.dtype)
    return strength * term(weights)


def squares_into_units(kernel: Any, layout: Layout = "dense") -> Any:
    """‖wᵢ‖² for each unit i: the sum of the squared weights that lead into it.

    Args:
        kernel: the weights of one layer.
        layout: `"dense"`, [..., units] (also convolutions); `"depthwise"`, [..., inputs,
            multiplier], whose units are numbered input by input; `"transpose"`, [..., units,
            inputs].

    Returns:
        Array [units].
    """
    squares = ops.square(kernel)
    if layout == "transpose":
        squares = ops.swapaxes(squares, -1, -2)
    kept = 2 if layout == "depthwise" else 1
    axes = tuple(range(len(kernel.shape) - kept))
    return ops.reshape(ops.sum(squares, axis=axes), (-1,))


def squares_into_dropped_units(kernel: Any, dropped_share: Any, layout: Layout = "dense") -> Any:
    """Dropout: Ω(w) = Σᵢ 1{dᵢ = 0} ‖wᵢ‖², averaged over the examples of a batch.

    Each example has a mask d of its own, so the indicator's average is the share of the examples
    in which unit i was dropped, `dropped_share` [units]; ‖wᵢ‖² as in `squares_into_units`.
    """
    # A unit that was never dropped counts nothing, not 0 * inf, whatever its weights are.
    squares = squares_into_units(kernel, layout)
    return ops.sum(ops.where(dropped_share > 0, dropped_share * squares, ops.zeros_like(squares)))


def check_strength(name: str, value: Any) -> float:
    """Returns a regularization strength λ as a float.

    Raises:
        ValueError: if it is not a finite number of at least 0.
    """
    if not is_real_number(value) or not 0 <= value < math.inf:
        raise ValueError(
            f"Expected `{name}` to be a finite number of at least 0. Received: {name}={value!r}. "
            "Pass 0 for no penalty; 1e-4 to 1e-2 is usual."
        )
    return float(value)
