"""What a train function of Keras is called with."""

import contextlib


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


def sync_variables(model):
    """Gives the variables their values in a callback of `fit`: they have them."""


def build_state(model, arguments):
    """Creates variables before the first step is traced: not needed, none is traced."""
