"""Sums over the copies of a model that are trained side by side."""

import tensorflow as tf


def sum_over_replicas(tensor):
    """The sum over all replicas of `tf.distribute`, differentiable; the tensor itself with one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)
