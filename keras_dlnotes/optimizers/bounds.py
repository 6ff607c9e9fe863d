"""The bounds of a model's weights: from an argument, and from the weights' constraints."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_dlnotes.constraints.box_constraint import Box, check_pair

# The argument `bounds`: for all weights, or a function that takes a variable and returns them.
Bounds = tuple[float | None, float | None] | Callable[[keras.Variable], Any] | None
# Lower and upper bounds of a variable, of its shape.
Pair = tuple[np.ndarray, np.ndarray]


def check(bounds: Bounds) -> Bounds:
    """The argument `bounds`: None, two Python numbers or None, or a function.

    Raises:
        ValueError: If it is anything else.
    """
    return bounds if bounds is None or callable(bounds) else check_pair("`bounds`", bounds)


def of_constraint(constraint: Any) -> tuple[float | None, float | None] | None:
    """Lower and upper bound that a constraint stands for; None if it is not about bounds."""

    def is_own(kind: type) -> bool:
        # A subclass may do something else.
        return isinstance(constraint, kind) and type(constraint).__call__ is kind.__call__

    if is_own(keras.constraints.NonNeg):
        return 0.0, None
    if is_own(Box):
        return constraint.low, constraint.high
    return None


def of_variables(bounds: Bounds, variables: Sequence[keras.Variable]) -> list[Pair] | None:
    """A pair of arrays for each variable, of its shape and dtype; None if no weight has a bound.

    Args:
        bounds: What `check` returned.
        variables: `keras.Variable`s, whose constraints are all about bounds.

    Raises:
        ValueError: For what a function returns, or if no number lies between all the bounds.
    """
    pairs = [_of_variable(bounds, variable) for variable in variables]
    if all(np.isinf(bound).all() for pair in pairs for bound in pair):
        return None
    return [_rounded(low, high, v) for (low, high), v in zip(pairs, variables, strict=True)]


def _of_variable(bounds: Bounds, variable: keras.Variable) -> Pair:
    """Both bounds in float64, infinite where there is none."""
    given = bounds(variable) if callable(bounds) else bounds
    low, high = _as_arrays(given, variable)
    if getattr(variable, "constraint", None) is not None:
        other_low, other_high = _as_arrays(of_constraint(variable.constraint), variable)
        low, high = np.maximum(low, other_low), np.minimum(high, other_high)
    if not (low <= high).all():
        raise ValueError(
            f"Expected a number between the bounds of each weight of {variable.path!r}. Received: "
            f"bounds={given!r} and the constraint {getattr(variable, 'constraint', None)!r}, which "
            "leave none. Make the lower bounds no larger than the upper ones."
        )
    return low, high


def _as_arrays(pair: Any, variable: keras.Variable) -> Pair:
    pair = (None, None) if pair is None else pair
    try:
        low, high = pair
        low, high = (
            np.full((), infinite) if b is None else np.asarray(b, "float64")
            for b, infinite in ((low, -np.inf), (high, np.inf))
        )
        low, high = (np.broadcast_to(b, tuple(variable.shape)) for b in (low, high))
    except (TypeError, ValueError):
        low = high = np.full((), np.nan)
    if (
        np.isnan(low).any()
        or np.isnan(high).any()
        or (low == np.inf).any()
        or (high == -np.inf).any()
    ):
        raise ValueError(
            "Expected the bounds of a variable to be (low, high), each None, a number, or an array "
            f"that fits its shape {tuple(variable.shape)}, without NaN. Received for "
            f"{variable.path!r}: {pair!r}."
        )
    return low, high


def _rounded(low: np.ndarray, high: np.ndarray, variable: keras.Variable) -> Pair:
    """The bounds in the variable's dtype, rounded inwards where it does not have them."""
    # NumPy knows bfloat16 by its name because Keras imports ml_dtypes.
    dtype = np.dtype(keras.backend.standardize_dtype(variable.dtype))
    near = [bound.astype(dtype) for bound in (low, high)]
    infinity = np.asarray(np.inf, dtype)
    inside = [
        np.where(near[0].astype("float64") < low, np.nextafter(near[0], infinity), near[0]),
        np.where(near[1].astype("float64") > high, np.nextafter(near[1], -infinity), near[1]),
    ]
    # Where no number of the dtype lies between them, the nearest.
    some = inside[0] <= inside[1]
    return np.where(some, inside[0], near[0]), np.where(some, inside[1], near[0])
