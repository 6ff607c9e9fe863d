"""What a train function of Keras is called with, how it repeats a step, and how an epoch ends."""

import contextlib

# What a train function raises when no batch is left; a data set of unknown length always does.
END_OF_DATA = (StopIteration,)


def repeated(step, count, result, data):
    """The result of the last of `count` more steps on the same batch.

    Args:
        step: `train_step(data)`, which returns logs.
        count: how many more steps.
        result: what the step before returned.
        data: the batch.
    """
    for _ in range(count):
        result = step(data)
    return result


def can_peek(model, arguments):
    """Whether the next batch can be looked at, and the step can still have it: always."""
    return True


def peek(model, arguments):
    """The batch that the next train step will get, and arguments that still hold it.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.

    Returns:
        The batch, as `(x, y, sample_weight)` or shorter, and the arguments to go on with.
    """
    (batches,) = arguments
    return batches[0], arguments


def readable_variables(model, arguments):
    """Scope inside a train function's call in which the variables have their values: always."""
    return contextlib.nullcontext()


def restore_variables(model, arguments):
    """Gives variables the values from before a step that raised: they have values."""


def sync_variables(model):
    """Gives the variables their values in a callback of `fit`: they have them."""


def build_state(model, arguments):
    """Creates variables before the first step is traced: not needed, none is traced."""
