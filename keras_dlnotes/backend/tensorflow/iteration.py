"""How a train function repeats a step, and how an epoch's data says that it is at its end."""

import tensorflow as tf

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
