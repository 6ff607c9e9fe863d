"""The numbers in the logs of `fit`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops


def log_numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """The entries of logs that are one number, by name; all others are left out.

    A dict among them is opened, as Keras does before it hands logs to callbacks:
    `{m.name: m.result() for m in self.metrics}`, which Keras documents for a `train_step`, has one
    dict for all metrics that were given to `compile`. Logs may hold anything (None, texts, arrays,
    objects of the user's own), and none of it may end a training.

    Args:
        logs: a dict, or None.
    """
    numbers: dict[str, float] = {}
    for name, value in (logs or {}).items():
        if isinstance(value, Mapping):
            numbers |= log_numbers(value)
        elif (number := one_number(value)) is not None:
            numbers[str(name)] = number
    return numbers


def one_number(value: Any) -> float | None:
    """The value of a tensor, array or number as a float; None if it is not one number."""
    try:
        array = np.asarray(value if value is None or np.isscalar(value) else _on_host(value))
        item = array.reshape(-1)[0] if array.size == 1 and array.dtype.kind not in "Mm" else None
        return None if item is None or isinstance(item, str | bytes) else float(item)
    except Exception:  # of whatever the library raises to which the value belongs
        return None


def _on_host(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    if ops.is_tensor(value) and keras.backend.standardize_dtype(value.dtype) == "bfloat16":
        value = ops.cast(value, "float32")  # NumPy takes no single one from TensorFlow
    return ops.convert_to_numpy(value)
