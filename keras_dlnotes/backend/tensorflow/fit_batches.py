"""What a train function of Keras is called with."""

import contextlib
import itertools

import tensorflow as tf


def can_peek(model, arguments):
    """Whether the next batch can be looked at, and the step can still have it.

    Not under a distribution strategy, where an iterator yields parts of batches; and of the
    others only dense tensors come out of a second iterator as they went into it.
    """
    (iterator,) = arguments
    if isinstance(iterator, tf.distribute.DistributedIterator):
        return False
    specs = tf.nest.flatten(iterator.element_spec)
    return all(isinstance(spec, tf.TensorSpec) for spec in specs)


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
    # All that the train function will take, and no more: a dataset that reads from the iterator
    # itself would read ahead.
    batches = [next(iterator), *itertools.islice(iterator, model.steps_per_execution - 1)]
    # Of the same element type, so that the train function is not traced anew.
    again = tf.data.Dataset.from_generator(lambda: batches, output_signature=iterator.element_spec)
    return batches[0], (iter(again),)


def readable_variables(model, arguments):
    """Scope inside a train function's call in which the variables have their values: always."""
    return contextlib.nullcontext()


def sync_variables(model):
    """Gives the variables their values in a callback of `fit`: they have them."""


def build_state(model, arguments):
    """Creates the variables that Keras would create in the first step, if they are not there yet.

    TensorFlow traces a function twice where the first trace creates variables (the optimizer's,
    the metrics'). They are created here as Keras creates them on other backends, so that the train
    function and its observed twin are each traced once. Where Keras's own step was replaced, or
    the model is not built, nothing is known of what the step needs, and nothing is done.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.
    """
    of_keras = type(model).train_step.__module__.startswith("keras.src.")
    built = all(layer.built for layer in model._flatten_layers())
    if of_keras and built and not model.run_eagerly and can_peek(model, arguments):
        (iterator,) = arguments
        # What is wrong with the data or the loss, the step itself tells better.
        with contextlib.suppress(Exception):
            model._symbolic_build(data_batch=iterator.element_spec)
