"""Reductions of one tensor to a few numbers, as cheap as TensorFlow's own kernels make them."""

import tensorflow as tf

# Below this many elements a second pass costs nothing, so the variance is taken about the mean.
_SMALL = 4096


def belongs_to_step(tensor, reference):
    """Whether a tensor caught in a layer can be read where the train step ends.

    A tensor made inside a `tf.while_loop` (a cell inside an RNN) lives in the loop's own graph.
    """
    if tf.executing_eagerly() or not hasattr(tensor, "graph"):
        return True
    return tensor.graph is tf.compat.v1.get_default_graph()


def moments(x):
    r"""Mean and biased variance.

    `tf.nn.l2_loss` reads the tensor once and writes nothing, where \(\sum (x - \mu)^2\) would
    write a whole temporary; \(\sigma^2 = \overline{x^2} - \mu^2\) loses digits when the mean
    dwarfs the spread, and only then the slower form runs.
    """
    count = tf.cast(tf.size(x), x.dtype)
    mean = tf.reduce_sum(x) / count

    def about_the_mean():
        return 2.0 * tf.nn.l2_loss(x - mean) / count

    if x.shape.num_elements() is not None and x.shape.num_elements() <= _SMALL:
        return mean, about_the_mean()
    variance = 2.0 * tf.nn.l2_loss(x) / count - tf.square(mean)
    cancelled = tf.less(variance, 1e-2 * tf.square(mean))
    return mean, tf.cond(cancelled, about_the_mean, lambda: variance)


def sum_of_squares(x):
    """The sum of all squared elements."""
    return 2.0 * tf.nn.l2_loss(x)


def extremes(x):
    """Minimum and maximum."""
    return tf.reduce_min(x), tf.reduce_max(x)


def count_zeros(x):
    """How many elements are exactly 0, as a float."""
    return count_where(tf.equal(x, 0))


def count_where(condition):
    """How many elements of a boolean tensor are true, as a float."""
    return tf.reduce_sum(tf.cast(condition, tf.float32))
