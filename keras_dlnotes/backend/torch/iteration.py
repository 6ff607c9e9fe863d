"""How a train function repeats a step, and how an epoch's data says that it is at its end."""

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
