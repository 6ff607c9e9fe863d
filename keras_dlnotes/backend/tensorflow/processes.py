"""What processes that train one model together agree on between steps."""

import functools

import tensorflow as tf

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
    strategy = getattr(model, "distribute_strategy", None)
    return not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    strategy = getattr(model, "distribute_strategy", None)  # whatever a loop of one's own trains
    return strategy is None or strategy.extended.should_save_summary


def reason_of_chief(model, reason, timed):
    """Why the chief stops training, or None, so that all processes stop together.

    Args:
        model: the model that is trained.
        reason: this process's, or None.
        timed: whether the reason may depend on the time; all else is the same in all processes.
    """
    if not timed or is_alone(model):
        return reason
    stops = _first_of(model.distribute_strategy)(tf.constant(float(reason is not None)))
    return said_by_chief(reason, float(stops) > 0.0)


@functools.cache
def _first_of(strategy):
    """A function of a number in each worker that returns the first worker's."""

    def of_replica(number):
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return tf.where(first, number, tf.zeros_like(number))

    @tf.function
    def total(number):
        parts = strategy.run(of_replica, args=(number,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    return total
