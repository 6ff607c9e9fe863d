"""What a train function of Keras is called with, how it repeats a step, and how an epoch ends."""

import contextlib
import itertools

import tensorflow as tf

from keras_dlnotes.backend import internals

# What a train function raises when no batch is left; a data set of unknown length always does.
END_OF_DATA = (StopIteration, tf.errors.OutOfRangeError)


def repeated(step, count, result, data):
    """The result of the last of `count` more steps on the same batch, in one compiled loop.

    Args:
        step: `train_step(data)`, which returns logs.
        count: how many more steps.
        result: what the step before returned.
        data: the batch.
    """

    def again(number, *_):
        return number + 1, *tf.nest.flatten(step(data))

    first = [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(result)]
    _, *last = tf.while_loop(lambda number, *_: number < count, again, (0, *first))
    return tf.nest.pack_sequence_as(result, last)


def can_peek(model, arguments):
    """Whether the next batch can be looked at, and the step can still have it.

    Of batches that are not distributed only dense tensors come out of a second iterator as they
    went into it.
    """
    (iterator,) = arguments
    if not _is_of_dataset(iterator):
        return True
    specs = tf.nest.flatten(iterator.element_spec)
    return all(isinstance(spec, tf.TensorSpec) for spec in specs)


def peek(model, arguments):
    """The batch that the next train step will get, and arguments that still hold it.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.

    Returns:
        The batch, as `(x, y, sample_weight)` or shorter, and the arguments to go on with. Under a
        strategy, the parts of the batch that the replicas of this process get, put together.
    """
    (iterator,) = arguments
    # All that the train function will take, and no more: a dataset that reads from the iterator
    # itself would read ahead.
    batches = [next(iterator), *itertools.islice(iterator, model.steps_per_execution - 1)]
    if not _is_of_dataset(iterator):
        # Keras's train function takes a batch, or its parts, from any iterator.
        strategy = model.distribute_strategy
        return _whole(strategy, batches[0]), (iter(batches),)
    # Of the same element type, so that the train function is not traced anew.
    again = tf.data.Dataset.from_generator(lambda: batches, output_signature=iterator.element_spec)
    return batches[0], (iter(again),)


def _is_of_dataset(iterator):
    """Whether it is neither distributed nor what `peek` made of one that is."""
    distributed = isinstance(iterator, tf.distribute.DistributedIterator)
    return isinstance(iterator, tf.data.Iterator) and not distributed


def _whole(strategy, batch):
    """The parts of a batch put together; the first part alone where they do not fit each other."""
    leaves = [strategy.experimental_local_results(leaf) for leaf in tf.nest.flatten(batch)]
    fit = all(
        all(isinstance(part, tf.Tensor) for part in parts)
        and len({tuple(part.shape[1:]) for part in parts}) == 1
        for parts in leaves
    )
    whole = [tf.concat(parts, axis=0) if fit else parts[0] for parts in leaves]
    return tf.nest.pack_sequence_as(batch, whole)


def readable_variables(model, arguments):
    """Scope inside a train function's call in which the variables have their values: always."""
    return contextlib.nullcontext()


def restore_variables(model, arguments):
    """Gives variables the values from before a step that raised: they have values."""


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
    of_keras = internals.keras_itself.defines(type(model).train_step)
    built = all(layer.built for layer in internals.flatten_layers(model))
    (iterator,) = arguments
    # Under a strategy Keras has done it.
    eligible = not model.run_eagerly and _is_of_dataset(iterator) and can_peek(model, arguments)
    symbolic_build = internals.symbolic_build.of(model, None)
    if of_keras and built and eligible and symbolic_build is not None:
        # What is wrong with the data or the loss, the step itself tells better.
        with contextlib.suppress(Exception):
            symbolic_build(data_batch=iterator.element_spec)
