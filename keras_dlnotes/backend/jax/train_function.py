"""What a train function of Keras is called with, how it repeats a step, and how an epoch ends."""

import contextlib
import itertools

import jax

from keras_dlnotes.backend import internals

# What a train function raises when no batch is left; a data set of unknown length always does.
END_OF_DATA = (StopIteration,)


def repeated(step, count, result, state, data):
    """The result of the last of `count` more steps on the same batch, in one compiled loop.

    Args:
        step: `train_step(state, data)`, which returns logs and the new state.
        count: how many more steps.
        result: what the step before returned.
        state: what that step was given.
        data: the batch.
    """
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(result)):
        for _ in range(count):  # an eager step
            result = step(result[1], data)
        return result
    return jax.lax.fori_loop(0, count, lambda _, before: step(before[1], data), result)


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
    state, iterator = arguments
    batch = next(iterator)
    return batch, (state, itertools.chain([batch], iterator))


@contextlib.contextmanager
def readable_variables(model, arguments):
    """Scope inside a train function's call in which the variables have their values.

    In `fit` these live in the state that goes from step to step, and Keras empties the variables.
    An exception ends the training: then the variables keep them.
    """
    emptied = []
    for variable, value in _variables_and_values(model, arguments):
        emptied.append((variable, internals.value_of_variable.of(variable)))
        internals.value_of_variable.set(variable, value)
    # Whoever asks Keras meanwhile for the values (a callback's `jax_state_sync`) has them already.
    was_synced = internals.jax_state_synced.of(model)
    internals.jax_state_synced.set(model, True)
    yield
    internals.jax_state_synced.set(model, was_synced)
    for variable, value in emptied:
        internals.value_of_variable.set(variable, value)


def _variables_and_values(model, arguments):
    kinds = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    for variables, values in zip(kinds, arguments[0], strict=False):
        yield from zip(variables, values, strict=True)


def restore_variables(model, arguments):
    """Gives variables that are empty after a step that raised the values from before it.

    Keras 3.15 empties them before the first step of a `fit`; where that raises, a model without
    values is left.
    """
    for variable, value in _variables_and_values(model, arguments):
        if internals.value_of_variable.of(variable) is None and not value.is_deleted():
            internals.value_of_variable.set(variable, value)


def sync_variables(model):
    """Gives the variables their values in a callback of `fit`, which keeps them elsewhere."""
    model.jax_state_sync()


def build_state(model, arguments):
    """Creates variables before the first step is traced: not needed, Keras has done it."""
