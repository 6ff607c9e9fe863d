"""Reductions of the rows of a matrix, as cheap as TensorFlow's own kernels make them."""

import tensorflow as tf

# Tensors of one shape and at most so many elements are measured as one: a copy costs less than the
# overhead of eight operations for each, and a graph of fewer operations is ready sooner: the first
# 12 steps of ResNet50 took 1.46 times as long as without a monitor at 1,024 elements, 1.08 times at
# 16,384 (`jit_compile=False`).
STACKED_SIZE = 16_384


# On a GPU a copy costs less than the start of an operation.
STACKED_SIZE_ON_GPU = 4_194_304


def stacked_size(once=False):
    """Up to how many elements tensors of one shape are measured as one.

    Args:
        once: whether a single reduction of them is wanted, which makes no difference here.
    """
    return STACKED_SIZE_ON_GPU if bool(tf.config.list_logical_devices("GPU")) else STACKED_SIZE


def belongs_to_step(tensor, reference):
    """Whether a tensor caught in a layer can be read where the train step ends.

    A tensor made inside a `tf.while_loop` (a cell inside an RNN) lives in the loop's own graph, and
    one made while the step's first call builds the model in a graph that is thrown away.
    """
    if not hasattr(tensor, "graph"):
        return True  # eager
    return tensor.graph is tf.compat.v1.get_default_graph()


def as_row(tensor):
    """A tensor as a matrix of one row, without gradient; half precision becomes float32."""
    row = tf.reshape(tf.stop_gradient(tensor), (1, -1))
    return tf.cast(row, tf.float32) if row.dtype in (tf.float16, tf.bfloat16) else row


def join(vectors, order):
    """Concatenates vectors to one of float32, and puts its numbers in another order."""
    vectors = [tf.cast(vector, tf.float32) for vector in vectors]
    vector = tf.concat(vectors, 0) if len(vectors) > 1 else vectors[0]
    return vector if order is None else tf.gather(vector, order)


def stack_rows(rows):
    """Matrices of one row each as one matrix."""
    return tf.concat(rows, 0)


def row_lengths(matrix):
    """The number of elements of each row, as float32, known perhaps only when the step runs."""
    return tf.fill([matrix.shape[0]], tf.cast(tf.shape(matrix)[1], tf.float32))


def copy_of(variable):
    """What a Keras variable holds now, whatever becomes of it."""
    return tf.identity(variable.value)


def moments(matrices):
    r"""Mean and biased variance of each row, matrix by matrix.

    A single long row is not copied: `tf.nn.l2_loss` reads it once and writes nothing, where
    \(\sum (x - \mu)^2\) would write a whole temporary. But \(\sigma^2 = \overline{x^2} - \mu^2\)
    loses digits when a mean dwarfs its spread: when that happens anywhere, the slower form runs
    for all. One `tf.cond` for all, since each costs as much as several reductions.
    """
    counts = [tf.cast(tf.shape(x)[1], x.dtype) for x in matrices]
    means = [tf.reduce_sum(x, axis=1) / n for x, n in zip(matrices, counts, strict=True)]

    def about_the_mean(i):
        squares = tf.math.squared_difference(matrices[i], means[i][:, None])
        return tf.reduce_sum(squares, axis=1) / counts[i]

    long = [i for i, x in enumerate(matrices) if x.shape[0] == 1 and (x.shape[1] or 1e9) > 4096]
    variances = {i: about_the_mean(i) for i in range(len(matrices)) if i not in long}
    if long:
        quick = [
            2.0 * tf.nn.l2_loss(matrices[i])[None] / counts[i] - tf.square(means[i]) for i in long
        ]
        cancelled = tf.reduce_any(
            [v[0] < 1e-3 * tf.square(means[i][0]) for i, v in zip(long, quick, strict=True)]
        )
        exact = tf.cond(cancelled, lambda: [about_the_mean(i) for i in long], lambda: quick)
        variances |= dict(zip(long, exact, strict=True))
    return [(mean, variances[i]) for i, mean in enumerate(means)]


def sum_of_squares(x):
    """The sum of the squared elements of each row."""
    if x.shape[0] == 1:
        return 2.0 * tf.nn.l2_loss(x)[None]
    return tf.reduce_sum(tf.square(x), axis=1)


def extremes(x):
    """Minimum and maximum of each row."""
    return tf.reduce_min(x, axis=1), tf.reduce_max(x, axis=1)


def count_zeros(x):
    """How many elements of each row are exactly 0, as a float."""
    return count_where(tf.equal(x, 0))


def count_farther(x, centers, radii):
    """How many elements of each row are farther than a radius from a center, as a float."""
    distances = tf.abs(x - tf.constant(centers, x.dtype)[:, None])
    return count_where(distances > tf.constant(radii, x.dtype)[:, None])


def count_where(condition):
    """How many elements of each row of a boolean matrix are true, as a float."""
    return tf.reduce_sum(tf.cast(condition, tf.float32), axis=1)
