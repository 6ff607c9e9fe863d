"""The copies of a model that `tf.distribute` trains side by side, one a device."""

import tensorflow as tf

# `fit` hands the optimizer a loss that Keras has divided by the number of replicas.
LOSS_IS_DIVIDED = True

# Only inside a training step does each replica run a program of its own.
OUTLAST_STEPS = False


def count():
    """How many replicas train the weights, each with its own part of a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def count_of(model):
    """How many replicas train a model, also outside the strategy's scope."""
    return model.distribute_strategy.num_replicas_in_sync


def refusal():
    """What there is instead of replicas that can work as one, or None."""
    strategy = tf.distribute.get_strategy()
    kinds = (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy)
    if strategy.num_replicas_in_sync == 1 or isinstance(strategy, kinds):
        return None
    return type(strategy).__name__


def sum_over_replicas(tensor):
    """The sum over all replicas of `tf.distribute`, differentiable; the tensor itself with one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def sums(tensors):
    """The sums of tensors over the replicas, each sum of its own."""
    return sum_over_replicas(list(tensors))


def on_each_replica(variable, function, *tensors):
    """Call a function of tensors once for each replica, where all variables are that replica's own.

    Args:
        variable: A `keras.Variable` made under the strategy, which tells what the replicas are.
        function: Reads and assigns variables; its conditionals may not, but for what it reads.
        tensors: Its arguments, the same on all replicas.
    """
    strategy = getattr(variable.value, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        function(*tensors)
        return

    def local(_, *arguments):
        function(*arguments)
        return tf.no_op()

    def update(strategy, *arguments):
        return strategy.extended.update(variable.value, local, args=arguments, group=False)

    context = tf.distribute.get_replica_context()
    if context is None or not isinstance(context.strategy, type(strategy)):
        update(strategy, *tensors)
    else:
        context.merge_call(update, args=tensors)


def check_agreement(variables, gradient, examples):
    """Nothing: `on_each_replica` writes the same values on all replicas."""
