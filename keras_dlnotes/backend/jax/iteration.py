"""How a train function repeats a step, and how an epoch's data says that it is at its end."""

import jax

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
