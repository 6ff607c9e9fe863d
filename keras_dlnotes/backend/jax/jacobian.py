"""Derivatives of functions of lists of arrays, and the Jacobian of a model's outputs by examples.

All of it is reverse mode: Keras's custom gradients have no forward mode.
"""

import jax
import jax.numpy as jnp


def gradients(function, arguments):
    """The gradient of a scalar function of a list of arrays, a list of the same shapes."""
    return jax.grad(function)(list(arguments))


def hessian_products(function, arguments, directions):
    """The Hessian of a scalar function of one array, times each of some arrays of its shape.

    Args:
        function: Of a list of one array.
        arguments: The list.
        directions: [count, *shape].
    """
    _, pull_back = jax.vjp(jax.grad(function), list(arguments))
    return jax.lax.map(lambda direction: pull_back([direction])[0][0], directions)


def hessian_product(function, arguments, vectors):
    """The Hessian of a scalar function of a list of arrays, times a list of the same shapes."""
    _, pull_back = jax.vjp(jax.grad(function), list(arguments))
    return pull_back(list(vectors))[0]


def pull_back(function, arguments):
    """The value of a function, a list of arrays, and what its transposed Jacobian does to such."""
    values, pull = jax.vjp(function, list(arguments))
    return values, lambda vectors: pull(list(vectors))[0]


def eigenvectors_of_blocks(blocks):
    """Eigenvalues [..., k], ascending, and eigenvectors [..., k, k] of symmetric matrices."""
    values, vectors = jnp.linalg.eigh(blocks)
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

    def of_example(row, example, root):
        one = jax.tree_util.tree_map(lambda array: array[None], example)
        value, pull = jax.vjp(lambda weights: output(weights, one), list(values))
        (parts,) = pull(jnp.reshape(cotangent(row, root), value.shape).astype(value.dtype))
        return jnp.concatenate([jnp.reshape(part, (-1,)).astype(dtype) for part in parts])

    every = jax.vmap(of_example, in_axes=(None, 0, 0))
    return jax.lax.map(lambda row: every(row, inputs, roots), jnp.arange(count))


def size_of(inputs):
    """How many examples a structure of arrays holds."""
    return jax.tree_util.tree_leaves(inputs)[0].shape[0]


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
    examples = min(examples, size)
    chunks = -(-size // examples)

    def chunk(index):
        indices = index * examples + jnp.arange(examples)
        found = rows(jnp.minimum(indices, size - 1))
        # The rows of the last chunk's examples that do not exist are 0.
        exists = jnp.tile(indices < size, per_example)
        return jnp.where(exists[:, None], found, 0.0)

    if first.shape[0] + size * per_example <= width:
        found = jax.lax.map(chunk, jnp.arange(chunks))
        return jnp.concatenate([first, jnp.reshape(found, (-1, width))])
    if chunks == 1:
        return jnp.linalg.qr(jnp.concatenate([first, chunk(0)]), mode="r")

    def further(triangle, index):
        return jnp.linalg.qr(jnp.concatenate([triangle, chunk(index)]), mode="r"), None

    begin = jnp.concatenate([first, jnp.zeros((width - first.shape[0], width), first.dtype)])
    return jax.lax.scan(further, begin, jnp.arange(chunks))[0]
