"""Array operations that keep their argument's dtype, and what one training step hands the next.

`keras.ops` computes some float64 operations in float32 on some backends; line searches and
quasi-Newton updates cannot afford that, so they ask the backend itself.
"""

import numpy as np
import tensorflow as tf

where = tf.where
absolute = tf.abs
square_root = tf.sqrt
maximum = tf.maximum
minimum = tf.minimum
is_finite = tf.math.is_finite
logical_not = tf.logical_not
stack = tf.stack
cast = tf.cast
reshape = tf.reshape
zeros_like = tf.zeros_like


def scalar(tensor):
    """A tensor of one number as the scalar that the methods compute with: itself."""
    return tensor


def tensor(values, dtype):
    """`values` as a tensor of exactly `dtype`."""
    return tf.cast(tf.convert_to_tensor(values), dtype)


def unstack(vector, count):
    """The `count` scalars of a vector."""
    return tf.unstack(vector, num=count)


def all_equal(first, second):
    """Whether two vectors agree in every number, bit for bit but for the sign of zero."""
    return tf.reduce_all(tf.equal(first, second))


def largest_magnitude(vector):
    """max_i |vector_i|; 0 of no numbers."""
    if vector.shape[0] == 0:
        return tf.zeros((), vector.dtype)
    return tf.reduce_max(tf.abs(vector))


def least(vector):
    """min_i vector_i."""
    return tf.reduce_min(vector)


def ascending(vector):
    """The indices that sort a vector, equal numbers in their order."""
    return tf.argsort(vector, stable=True)


def running_sums(array, backwards=False):
    """Sums over the first axis up to each place, or (`backwards`) from each place on."""
    return tf.cumsum(array, axis=0, reverse=backwards)


def dot(first, second):
    """The inner product of two vectors."""
    return tf.reduce_sum(first * second)


def matrix_vector(matrix, vector):
    """Matrix [r, n] times vector [n]."""
    return tf.linalg.matvec(matrix, vector)


def vector_matrix(vector, matrix):
    """Vector [r] times matrix [r, n]."""
    return tf.reshape(tf.matmul(tf.reshape(vector, (1, -1)), matrix), (-1,))


def matrix_product(first, second):
    """Matrix [p, r] times matrix [r, n]."""
    return tf.matmul(first, second)


def einsum(equation, *arrays):
    """Sums of products of arrays' entries, as an equation of indices says."""
    return tf.einsum(equation, *arrays)


def outer(first, second):
    """The matrix [p, q] of all products of two vectors' numbers."""
    return tf.expand_dims(first, 1) * tf.expand_dims(second, 0)


def solve(matrix, right):
    """Solve matrix @ x = right, [p, q], for a small square matrix."""
    return tf.linalg.solve(matrix, right)


def solve_triangular(matrix, vector, lower):
    """Solve matrix @ x = vector for a small triangular matrix."""
    solution = tf.linalg.triangular_solve(matrix, tf.expand_dims(vector, 1), lower=lower)
    return tf.squeeze(solution, 1)


def upper_triangle(matrix):
    """The matrix with zeros below its diagonal."""
    return tf.linalg.band_part(matrix, 0, -1)


def concatenate(arrays, axis=0):
    """Arrays joined end to end."""
    return tf.concat(arrays, axis)


def transpose(matrix):
    """The transposed matrix."""
    return tf.transpose(matrix)


def diagonal(matrix):
    """The diagonal of a matrix as a vector."""
    return tf.linalg.diag_part(matrix)


def diagonal_matrix(vector):
    """The matrix with this diagonal and zeros elsewhere."""
    return tf.linalg.diag(vector)


def take_square(matrix, indices):
    """The rows and columns of a square matrix that an integer vector names."""
    return tf.gather(tf.gather(matrix, indices, axis=0), indices, axis=1)


def place(vector, index, value):
    """The vector (or, along the first axis, the matrix) with the entry `index` replaced."""
    return tf.tensor_scatter_nd_update(vector, tf.reshape(index, (1, 1)), tf.expand_dims(value, 0))


def entry(matrix, index):
    """One number of a matrix's diagonal."""
    return tf.gather(tf.linalg.diag_part(matrix), index)


def eigh(matrix):
    """Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix."""
    values, vectors = tf.linalg.eigh(matrix)
    return values, vectors


# Large matrices are decomposed by NumPy's LAPACK, on all cores. TensorFlow uses one core: 0.96 s
# for the R of a 3000 x 1341 matrix and 1.06 s for the singular values of 1341 x 1341; LAPACK takes
# 0.20 s and 0.48 s on two cores. XLA cannot run these. Below so many columns the way to NumPy takes
# longer than the decomposition.
_FEWEST_COLUMNS = 32


def qr_triangle(matrix):
    """R [min(m, n), n] of a matrix [m, n] = Q R; R^T R is the matrix's."""
    if matrix.shape[1] < _FEWEST_COLUMNS:
        return tf.linalg.qr(matrix)[1]
    triangle = tf.numpy_function(_triangle, [matrix], matrix.dtype)
    return tf.ensure_shape(triangle, (None, matrix.shape[1]))


def singular_values(matrix):
    """U [m, r], s [r] descending and V^T [r, n] of a matrix [m, n], r = min(m, n)."""
    if matrix.shape[1] < _FEWEST_COLUMNS:
        values, left, right = tf.linalg.svd(matrix)
        return left, values, tf.transpose(right)
    left, values, right = tf.numpy_function(_singular_values, [matrix], [matrix.dtype] * 3)
    rows, width = matrix.shape
    rank = None if rows is None else min(rows, width)
    return (
        tf.ensure_shape(left, (rows, rank)),
        tf.ensure_shape(values, (rank,)),
        tf.ensure_shape(right, (rank, width)),
    )


def _triangle(matrix):
    return np.linalg.qr(matrix, mode="r")


def _singular_values(matrix):
    return tuple(np.linalg.svd(matrix, full_matrices=False))


def take(array, indices):
    """The rows of an array that an integer vector names."""
    return tf.gather(array, indices)


def arange(count):
    """0, 1, ..., count - 1 as 32-bit integers."""
    return tf.range(count)


def row(matrix, index):
    """One row of a matrix."""
    return tf.gather(matrix, index)


def assign_row(variable, index, value):
    """Write one row of a matrix variable and leave the others where they lie."""
    if 0 not in variable.shape:  # TensorFlow writes no rows without numbers
        row = tf.IndexedSlices(tf.expand_dims(value, 0), tf.reshape(index, (1,)))
        variable.value.scatter_update(row)


def clip_now(variable, low, high):
    """Move a variable's numbers between these arrays at once, not in the program being traced."""
    with tf.init_scope():
        variable.assign(tf.clip_by_value(variable.value, low, high))


def set_now(variable, value):
    """Give a variable the numbers of an array at once, not in the program being traced."""
    with tf.init_scope():
        variable.assign(value)


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return tf.convert_to_tensor(gradient)


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return tf.is_tensor(value) and not isinstance(value, tf.SparseTensor | tf.RaggedTensor)


def flatten(tensors, dtype):
    """One vector of all tensors' numbers, in order; sparse gradients made dense."""
    pieces = [tf.cast(tf.reshape(to_dense(t), (-1,)), dtype) for t in tensors]
    if tf.executing_eagerly() or any(piece.shape[0] is None for piece in pieces):
        return tf.concat(pieces, 0)
    # Written piece by piece: XLA on a CPU would compute a concatenation number by number, asking of
    # each which piece it lies in, and anew in every loop that uses it.
    vector = tf.zeros((sum(piece.shape[0] for piece in pieces),), dtype)
    offset = 0
    for piece in pieces:
        end = offset + piece.shape[0]
        vector = tf.raw_ops.TensorStridedSliceUpdate(
            input=vector, begin=[offset], end=[end], strides=[1], value=piece
        )
        offset = end
    return vector


def copied(array):
    """The array in memory of its own."""
    return tf.identity(array)


def conditional(predicate, when_true, when_false):
    """Run one of two functions of no arguments; both return the same structure of tensors."""
    return tf.cond(predicate, when_true, when_false)


def detached(loss):
    """The loss as a number to carry from `scale_loss` to `apply`, outside differentiation."""
    return tf.stop_gradient(tf.convert_to_tensor(loss))


def is_usable(value):
    """Whether a carried number can still be used where the program now is."""
    if tf.executing_eagerly():
        return hasattr(value, "numpy")
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if getattr(value, "graph", graph) is graph:
            return True
        graph = getattr(graph, "outer_graph", None)
    return hasattr(value, "numpy")
