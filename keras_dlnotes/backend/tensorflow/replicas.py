"""The copies of a model that `tf.distribute` trains side by side, one a device."""

import contextlib
import functools

import tensorflow as tf

from keras_dlnotes.backend.tensorflow import internals

# `fit` hands the optimizer a loss that Keras has divided by the number of replicas.
LOSS_IS_DIVIDED = True

# Sums over the replicas can be taken only inside a training step.
SUMS_BETWEEN_STEPS = False


def count():
    """How many replicas take the step that is being traced; 1 outside of one."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def count_of(model):
    """How many replicas train a model, also outside the strategy's scope."""
    return model.distribute_strategy.num_replicas_in_sync


def scope_of(variables):
    """The scope of the strategy under which `keras.Variable`s were made, to make more of them."""
    strategy = getattr(variables[0].value, "distribute_strategy", None) if variables else None
    if strategy is None or strategy is tf.distribute.get_strategy():
        return contextlib.nullcontext()
    return strategy.scope()


def refusal():
    """The name of a strategy that is not supported, or None."""
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
        function: Reads and assigns variables.
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
    """Nothing in a step: see `check_copies`."""


def check_copies(variable):
    """Raise an error unless all replicas have the same numbers in a variable, bit for bit.

    Each replica computes the next point from the same sums, but perhaps on another device.

    Raises:
        RuntimeError: If they differ.
    """
    strategy = getattr(variable.value, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return

    checksums = [_checksum(copy) for copy in strategy.experimental_local_results(variable.value)]
    if _has_workers(strategy):
        gathered = _gather_of(strategy)(tf.add_n(checksums))
        checksums = tf.unstack(strategy.experimental_local_results(gathered)[0])
    checksums = [int(number) for number in checksums]
    if len(set(checksums)) > 1:
        raise RuntimeError(
            f"The copies of {variable.path!r} differ between the replicas of "
            f"{type(strategy).__name__}. Expected the same numbers everywhere. Received: the "
            f"checksums {checksums}. Their devices compute differently, or something else has "
            "written to single copies: train on devices of one kind."
        )


def _checksum(variable):
    """The sum of the bits of a variable's numbers, as integers."""
    whole = tf.int64 if variable.dtype == tf.float64 else tf.int32
    return tf.reduce_sum(tf.cast(tf.bitcast(tf.convert_to_tensor(variable), whole), tf.int64))


@functools.lru_cache(maxsize=1)
def _gather_of(strategy):
    """Takes a number to those of all workers; kept, so that it is traced once."""

    def gather(number):
        return tf.distribute.get_replica_context().all_gather(number[None], axis=0)

    return tf.function(lambda number: strategy.run(gather, args=(number,)), autograph=False)


def concatenate(tensor):
    """The tensors of all replicas, which may differ in the length of their first axis, as one."""
    context = tf.distribute.get_replica_context()
    if _has_workers(context.strategy):
        return context.all_gather(tensor, axis=0)

    def joined(strategy, parts):
        return tf.concat(strategy.experimental_local_results(parts), axis=0)

    # One tensor for all replicas, where `all_gather` would make one for each: Keras leaves it as it
    # is in the logs, and takes the mean of several, which can overflow.
    return context.merge_call(joined, args=(tensor,))


def examples_of_all(examples):
    """Some examples of each replica's part of a batch, for the logs.

    Those of the first replica alone where the parts may not fit each other, as where each is padded
    to a length of its own; of several workers none then.

    Args:
        examples: dict of tensors with one example a row.
    """
    context = tf.distribute.get_replica_context()
    alike = all(None not in tensor.shape[1:] for tensor in examples.values())
    if not _has_workers(context.strategy):
        return {n: concatenate(t) if alike else _of_first(t) for n, t in examples.items()}
    if not alike or any(tensor.dtype == tf.string for tensor in examples.values()):
        return {}
    # The sum over workers, which Keras takes, could overflow.
    small = (tf.bool, tf.int8, tf.uint8, tf.int16, tf.uint16)
    wide = {n: tf.cast(t, tf.int32) if t.dtype in small else t for n, t in examples.items()}
    return {name: as_log(concatenate(tensor)) for name, tensor in wide.items()}


def _of_first(tensor):
    context = tf.distribute.get_replica_context()
    return context.merge_call(lambda s, parts: s.experimental_local_results(parts)[0], (tensor,))


def reduced_gradients(gradients):
    """The gradients of the reduced loss: Keras's optimizers add up those of all replicas."""
    return sums(gradients)


def as_log(tensor):
    """A tensor, the same on all replicas, so that it leaves the step in Keras's logs unchanged.

    With several workers Keras takes the mean along the first axis, and over the workers.
    """
    workers = _has_workers(tf.distribute.get_replica_context().strategy)
    return tensor[None] if workers else tensor


def _has_workers(strategy):
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and internals.has_several_workers(strategy.extended)
