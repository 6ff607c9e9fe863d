"""Derivatives of functions of lists of arrays, and the Jacobian of a model by examples."""

import tensorflow as tf

from keras_dlnotes.backend.tensorflow.arrays import qr_triangle
from keras_dlnotes.backend.tensorflow.derivatives import or_zeros


def _fresh(arguments):
    """The arrays as tensors that no tape knows yet."""
    return [tf.identity(tf.convert_to_tensor(argument)) for argument in arguments]


def gradients(function, arguments):
    """The gradient of a scalar function of a list of arrays, a list of the same shapes."""
    arguments = _fresh(arguments)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(arguments)
        value = function(arguments)
    return or_zeros(tape.gradient(value, arguments), arguments)


def hessian_products(function, arguments, directions):
    """The Hessian of a scalar function of one array, times each of some arrays of its shape.

    Args:
        function: Of a list of one array.
        arguments: The list.
        directions: [count, *shape].
    """
    return tf.map_fn(
        lambda direction: hessian_product(function, arguments, [direction])[0], directions
    )


def hessian_product(function, arguments, vectors):
    """The Hessian of a scalar function of a list of arrays, times a list of the same shapes."""
    arguments = _fresh(arguments)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(arguments)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(arguments)
            value = function(arguments)
        slopes = or_zeros(inner.gradient(value, arguments), arguments)
    found = outer.gradient(slopes, arguments, output_gradients=list(vectors))
    return or_zeros(found, arguments)


def pull_back(function, arguments):
    """The value of a function, a list of arrays, and what its transposed Jacobian does to such."""
    arguments = _fresh(arguments)
    with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
        tape.watch(arguments)
        values = function(arguments)

    def pull(vectors):
        found = tape.gradient(values, arguments, output_gradients=list(vectors))
        return or_zeros(found, arguments)

    return values, pull


def eigenvectors_of_blocks(blocks):
    """Eigenvalues [..., k], ascending, and eigenvectors [..., k, k] of symmetric matrices."""
    values, vectors = tf.linalg.eigh(blocks)
    return values, vectors


def rows_of_examples(output, values, inputs, cotangent, roots, count, dtype):
    """Rows of a matrix times the Jacobian of one output by the weights, example by example.

    Args:
        output: Takes the list of weights and a structure of inputs with one example, and returns
            that example's output, [1, ...].
        values: The list of weights.
        inputs: Structure of arrays [examples, ...].
        cotangent: Takes the number of a row and one example's part of `roots`; returns the row.
        roots: Array [examples, ...].
        count: How many rows there are for an example.
        dtype: Of the result.

    Returns:
        [count, examples, n].
    """

    def of_row(row):
        def of_example(given):
            example, root = given
            one = tf.nest.map_structure(lambda array: array[None], example)
            weights = _fresh(values)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                value = output(weights, one)
            slope = tf.cast(tf.reshape(cotangent(row, root), tf.shape(value)), value.dtype)
            parts = or_zeros(tape.gradient(value, weights, output_gradients=slope), weights)
            return tf.concat([tf.cast(tf.reshape(part, (-1,)), dtype) for part in parts], 0)

        return tf.vectorized_map(of_example, (inputs, roots))

    width = sum(value.shape.num_elements() for value in values)
    signature = tf.TensorSpec((None, width), dtype)
    # One row after the other: vectorised over both, it took six times as long.
    return tf.map_fn(of_row, tf.range(count), fn_output_signature=signature)


def size_of(inputs):
    """How many examples a structure of arrays holds: a number, or a tensor if not known yet."""
    first = tf.nest.flatten(inputs)[0]
    return first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]


def stacked(rows, size, examples, per_example, first):
    """Rows [m, n] of all examples; where m > n, a matrix R of at most n rows with the same R^T R.

    The examples are taken in chunks, so that no more than a chunk's rows are held beside R.

    Args:
        rows: Takes indices of examples [chunk] and returns their rows, [chunk * per_example, n].
        size: How many examples there are.
        examples: How many make a chunk.
        per_example: How many rows there are for an example.
        first: Rows to begin with, [p, n].
    """
    width = first.shape[1]

    def further(begin, whole):
        more = rows(tf.range(begin, tf.minimum(begin + examples, size)))
        whole = tf.concat([whole, more], 0)
        whole = tf.cond(
            tf.shape(whole)[0] > width, lambda: qr_triangle(whole), lambda: tf.identity(whole)
        )
        return begin + examples, tf.ensure_shape(whole, (None, width))

    _, whole = tf.while_loop(
        lambda begin, _: begin < size,
        further,
        (tf.constant(0), first),
        shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, width))),
    )
    return whole
