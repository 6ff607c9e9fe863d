"""Derivatives of functions of lists of arrays, and the Jacobian of a model by examples."""

import torch

from keras_dlnotes.backend import internals as keras_internals
from keras_dlnotes.backend.torch import internals


def _detached(arguments):
    return [argument.detach() for argument in arguments]


def gradients(function, arguments):
    """The gradient of a scalar function of a list of arrays, a list of the same shapes."""
    return torch.func.grad(function)(_detached(arguments))


def hessian_products(function, arguments, directions):
    """The Hessian of a scalar function of one array, times each of some arrays of its shape.

    Args:
        function: Of a list of one array.
        arguments: The list.
        directions: [count, *shape].
    """
    pull = torch.func.vjp(torch.func.grad(function), _detached(arguments))[1]
    return torch.stack([pull([direction])[0][0].detach() for direction in directions])


def hessian_product(function, arguments, vectors):
    """The Hessian of a scalar function of a list of arrays, times a list of the same shapes."""
    pull = torch.func.vjp(torch.func.grad(function), _detached(arguments))[1]
    return _detached(pull(list(vectors))[0])


def pull_back(function, arguments):
    """The value of a function, a list of arrays, and what its transposed Jacobian does to such."""
    values, pull = torch.func.vjp(function, _detached(arguments))[:2]
    return _detached(values), lambda vectors: _detached(pull(list(vectors))[0])


def eigenvectors_of_blocks(blocks):
    """Eigenvalues [..., k], ascending, and eigenvectors [..., k, k] of symmetric matrices."""
    values, vectors = torch.linalg.eigh(blocks)
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
    values = _detached(values)
    wide = keras_internals.to_torch_dtype.value(dtype)
    numbers = torch.arange(count, device=keras_internals.get_device.value())

    def of_example(example, root):
        one = internals.map_tree.value(lambda array: array[None], example)
        value, pull = torch.func.vjp(lambda weights: output(weights, one), values)[:2]

        def of_row(row):
            (parts,) = pull(cotangent(row, root).reshape(value.shape).to(value.dtype))
            return torch.cat([part.reshape(-1).to(wide) for part in parts])

        return torch.func.vmap(of_row)(numbers)

    return torch.func.vmap(of_example, out_dims=1)(inputs, roots).detach()


def size_of(inputs):
    """How many examples a structure of arrays holds."""
    return internals.leaves_of_tree.value(inputs)[0].shape[0]


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
    whole = first
    for begin in range(0, size, examples):
        indices = torch.arange(begin, min(begin + examples, size), device=first.device)
        whole = torch.cat([whole, rows(indices)])
        if whole.shape[0] > whole.shape[1]:
            whole = torch.linalg.qr(whole, mode="r")[1]
    return whole
