"""What a train function of Keras is called with."""

import itertools

import tensorflow as tf


def peek(model, arguments):
    """The batch that the next train step will get, and arguments that still hold it.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.

    Returns:
        The batch, as `(x, y, sample_weight)` or shorter, and the arguments to go on with.

    Raises:
        ValueError: under a distribution strategy, where an iterator yields parts of batches.
    """
    (iterator,) = arguments
    if isinstance(iterator, tf.distribute.DistributedIterator):
        raise ValueError(
            "Expected `data=(x, y)` under a tf.distribute strategy, where each replica sees only a "
            "part of a batch. Received: data=None."
        )
    batch = next(iterator)
    # Of the same element type, so that the train function is not traced anew.
    again = tf.data.Dataset.from_generator(
        lambda: itertools.chain([batch], iterator), output_signature=iterator.element_spec
    )
    return batch, (iter(again),)
