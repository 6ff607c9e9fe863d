"""Decompositions of large matrices by NumPy's LAPACK, which is several times as fast.

TensorFlow uses one processor core: 0.96 s for the R of a 3000 x 1341 matrix and 1.06 s for
the singular values of 1341 x 1341; LAPACK takes 0.20 s and 0.48 s on two cores. XLA cannot run
these.
"""

import numpy as np
import tensorflow as tf

# Below so many columns the way to NumPy takes longer than the decomposition.
_FEWEST_COLUMNS = 32


def upper_triangle_of(matrix):
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
