"""What a train function of Keras is called with."""

import itertools


def peek(model, arguments):
    """The batch that the next train step will get, and arguments that still hold it.

    In `fit` the variables' values live in the state that goes from step to step; here the variables
    get them back, so that they can be read.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.

    Returns:
        The batch, as `(x, y, sample_weight)` or shorter, and the arguments to go on with.
    """
    state, iterator = arguments
    kinds = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    for variables, values in zip(kinds, state, strict=False):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    batch = next(iterator)
    return batch, (state, itertools.chain([batch], iterator))
