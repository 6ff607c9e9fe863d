"""What processes that train one model together agree on between steps."""

import jax
from jax.experimental import multihost_utils

from keras_dlnotes.backend.same_on_all import (
    any_process,
    from_chief,
    judges,
    keeps_logs_apart,
    mean_logs,
    meet,
    note_trained,
    said_by_chief,
)

__all__ = [
    "any_process",
    "from_chief",
    "is_alone",
    "is_chief",
    "judges",
    "keeps_logs_apart",
    "mean_logs",
    "meet",
    "note_trained",
    "reason_of_chief",
]


def is_alone(model):
    """Whether no other process trains the model too."""
    return jax.process_count() == 1


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    return jax.process_index() == 0


def reason_of_chief(model, reason, timed):
    """Why the chief stops training, or None, so that all processes stop together.

    Args:
        model: the model that is trained.
        reason: this process's, or None.
        timed: whether the reason may depend on the time; all else is the same in all processes.
    """
    if not timed or is_alone(model):
        return reason
    return said_by_chief(reason, bool(multihost_utils.broadcast_one_to_all(reason is not None)))
