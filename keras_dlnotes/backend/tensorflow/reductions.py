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


def moments(tensors):
    r"""Mean and biased variance of each tensor.

    `tf.nn.l2_loss` reads a tensor once and writes nothing, where \(\sum (x - \mu)^2\) would write
    a whole temporary. But \(\sigma^2 = \overline{x^2} - \mu^2\) loses digits when a mean dwarfs its
    spread: when that happens to any tensor, the slower form runs for all. One `tf.cond` for all,
    since each costs as much as several reductions.
    """
    counts = [tf.cast(tf.size(x), x.dtype) for x in tensors]
    means = [tf.reduce_sum(x) / n for x, n in zip(tensors, counts, strict=True)]

    def about_the_mean(x, mean, count):
        return 2.0 * tf.nn.l2_loss(x - mean) / count

    def is_large(x):
        return x.shape.num_elements() is None or x.shape.num_elements() > _SMALL

    variances = [
        2.0 * tf.nn.l2_loss(x) / count - tf.square(mean)
        if is_large(x)
        else about_the_mean(x, mean, count)
        for x, mean, count in zip(tensors, means, counts, strict=True)
    ]
    large = [i for i, x in enumerate(tensors) if is_large(x)]
    if large:
        cancelled = tf.reduce_any([variances[i] < 1e-3 * tf.square(means[i]) for i in large])
        exact = tf.cond(
            cancelled,
            lambda: [about_the_mean(tensors[i], means[i], counts[i]) for i in large],
            lambda: [variances[i] for i in large],
        )
        for i, variance in zip(large, exact, strict=True):
            variances[i] = variance
    return list(zip(means, variances, strict=True))


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
