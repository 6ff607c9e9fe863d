"""What processes that train one model together agree on between steps."""

import jax
import numpy as np
from jax.experimental import multihost_utils

from keras_dlnotes.backend.same_on_all import (
    any_process,
    from_chief,
    judges,
    keeps_logs_apart,
    mean_logs,
    meet,
)

__all__ = [
    "any_process",
    "from_chief",
    "is_chief",
    "judges",
    "keeps_logs_apart",
    "mean_logs",
    "meet",
    "seconds_of_chief",
]


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    return jax.process_index() == 0


def seconds_of_chief(model, seconds):
    """The chief's clock, so that what depends on it is the same in all processes."""
    if jax.process_count() == 1:
        return seconds
    return float(multihost_utils.broadcast_one_to_all(np.float64(seconds)))
