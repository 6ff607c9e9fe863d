"""Weights between two bounds."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics.number_arguments import is_real_number

xp = active.arrays


@registered("Box")
class Box(keras.constraints.Constraint):
    r"""Keeps each weight between a lower and an upper bound.

    Use it for weights whose range is known: physical parameters, mixing weights, probabilities. A
    first-order optimizer moves weights beyond a bound back to it after each step;
    `kd.optimizers.LBFGS` takes the bounds into account when it chooses the step.

    Formula: \(w_i = \min(\max(w_i, low), high)\), any shape.

    Args:
        low: number, or `None` for no lower bound.
        high: number, or `None` for no upper bound.

    Raises:
        ValueError: if a bound is not a number, or `low` is above `high`.

    Example:
    ```python
    layer = keras.layers.Dense(1, kernel_constraint=kd.constraints.Box(0.0, 1.0))
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    ```
    """

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self.low, self.high = check_pair("Box", (low, high))

    def __call__(self, w: Any) -> Any:
        """The nearest weights between the bounds."""
        w = ops.convert_to_tensor(w)
        # Not by `ops.maximum`, which may round float64 to float32: what is inside stays as it is.
        dtype = keras.backend.standardize_dtype(w.dtype)
        if self.low is not None:
            w = xp.maximum(w, xp.tensor(np.asarray(self.low), dtype))
        if self.high is not None:
            w = xp.minimum(w, xp.tensor(np.asarray(self.high), dtype))
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"low": self.low, "high": self.high}


def check_pair(name: str, pair: Any) -> tuple[float | None, float | None]:
    """The pair as Python numbers, None where there is no bound.

    Raises:
        ValueError: If there are not two bounds in order.
    """
    numbers = []
    if isinstance(pair, list | tuple) and len(pair) == 2:
        numbers = [b for b in pair if b is None or (is_real_number(b) and not math.isnan(b))]
    if len(numbers) == 2:
        low, high = (
            None if b is None or float(b) == infinite else float(b)
            for b, infinite in zip(numbers, (-math.inf, math.inf), strict=True)
        )
        finite = all(b is None or math.isfinite(b) for b in (low, high))
        if finite and (low is None or high is None or low <= high):
            return low, high
    raise ValueError(
        f"Expected {name} to be two bounds (low, high) with low <= high, each a number, or None "
        f"where there is no bound. Received: {pair!r}."
    )
