"""The factor of a loss's Gauss-Newton matrix, from the model's outputs and the loss in them.

With outputs o(w) and a loss L(o), convex in each example's outputs,

    J^T (d^2 L / do^2) J = F^T F,   F = B J,   B^T B = d^2 L / do^2,   J = do / dw

The second derivative is a matrix of blocks, one for each example (and position): B is its square
root from eigenvalues and eigenvectors, b = B^-T dL/do the target, so that F^T b is the loss's
gradient. For a mean of squares B is a multiple of 1 and b the residual times another. A penalty
P(w) gives rows of its own, the square roots of its second derivatives.
"""

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import levenberg_marquardt
from keras_dlnotes.optimizers import flat_weights

xp = active.arrays
jacobian = active.jacobian

# So many numbers of the Jacobian, and of examples, are held at once if nothing else is said.
_CHUNK_NUMBERS = 2**24
_CHUNK_EXAMPLES = 8192
# A block of more outputs than this would take longer to decompose than the step.
_MOST_OUTPUTS = 256
# h of the second difference along a step p: its error is h^2 / 12 of the next order in p.
_REACH = 0.25


class LeastSquares(NamedTuple):
    """A loss taken apart; see the arguments of `GaussNewton.differentiate`."""

    loss: Any
    outputs: Any
    inputs: Any
    elementwise: Any
    has_penalties: Any


class Factor(NamedTuple):
    """F and what goes with it; see `levenberg_marquardt`."""

    matrix: Any  # F, [r, n]
    target: Any  # t, [r]
    rest: Any  # v, [n]
    coupled: Any  # whether F^T t + v is not the gradient, a boolean scalar
    outputs: Any  # o, list of arrays
    pull_back: Any  # takes a list of arrays of the outputs' shapes u; returns J^T u by variables


def form(
    problem: LeastSquares,
    variables: list[keras.Variable],
    gradient: Any,
    dtype: str,
    epsilon: float,
    chunk_size: int | None,
    max_size: int,
) -> Factor:
    """The factor at the variables' values.

    Args:
        problem: A `LeastSquares`.
        variables: The variables that are moved.
        gradient: The loss's gradient, [n], to compare with.
        dtype: Of the result.
        epsilon: Its rounding unit.
        chunk_size: How many examples' rows are held at once, or None.
        max_size: The largest number of both weights and residuals.
    """
    values = [v.value for v in variables]
    width = flat_weights.size(variables)
    outputs, pull = jacobian.pull_back(lambda w: problem.outputs(w, problem.inputs), values)
    roots = [
        _root(problem, values, outputs, index, dtype, epsilon) for index in range(len(outputs))
    ]
    per_example = sum(root.rows for root in roots)
    held, known = chunk_size, jacobian.size_of(problem.inputs)
    if held is None:
        held = min(max(_CHUNK_NUMBERS // ((width + 1) * per_example), 1), _CHUNK_EXAMPLES)
    penalized = problem.has_penalties
    if callable(penalized):
        penalized = penalized()
    if width > max_size and (penalized or not _is_below(known, per_example, max_size)):
        raise ValueError(
            f"GaussNewton decomposes a matrix with the smaller of {width} (weights) and "
            f"{'the number of residuals' if not isinstance(known, int) else known * per_example} "
            "(examples times outputs) as its size; with penalties on the weights it is their "
            f"number. Expected at most max_size={max_size}. Use fewer weights, "
            "keras_dlnotes.optimizers.NewtonCG(curvature='gauss_newton'), which needs products "
            "only, or raise max_size: a step takes of the order of its third power."
        )

    def rows(indices: Any) -> Any:
        inputs = keras.tree.map_structure(lambda array: xp.take(array, indices), problem.inputs)
        parts = [root.part(indices) for root in roots]
        found = [
            jacobian.rows_of_examples(
                lambda w, one, index=index: problem.outputs(w, one)[index],
                values,
                inputs,
                root.cotangent,
                part,
                root.rows,
                dtype,
            )
            for index, (root, part) in enumerate(zip(roots, parts, strict=True))
        ]
        matrix = xp.reshape(xp.concatenate(found), (-1, width))
        targets = [xp.transpose(xp.take(root.target, indices)) for root in roots]
        target = xp.reshape(xp.concatenate(targets), (-1, 1))
        return xp.concatenate([matrix, target], 1)

    zeros = gradient * 0.0
    first, rest = xp.reshape(xp.concatenate([zeros, zeros[:1]]), (1, -1))[:0], zeros
    if penalized:
        first, rest = _penalty(problem, values, outputs, zeros, dtype)
    whole = jacobian.stacked(rows, known, held, per_example, first)
    matrix, target = whole[:, :width], whole[:, width]
    left_over = pull([root.left_over for root in roots])
    rest = rest + flat_weights.join(left_over, dtype)
    difference = gradient - rest - xp.vector_matrix(target, matrix)
    lengths = levenberg_marquardt.column_lengths(matrix)
    size = xp.largest_magnitude(lengths) * xp.square_root(xp.dot(target, target))
    size = size + xp.largest_magnitude(gradient)
    coupled = xp.largest_magnitude(difference) > 0.01 * size
    return Factor(matrix, target, rest, coupled, outputs, pull)


def bend(
    problem: LeastSquares,
    variables: list[keras.Variable],
    factor: Factor,
    step: Any,
    dtype: str,
) -> Any:
    """J^T (d^2 L / do^2) o'', o'' = d^2 o(w + t p) / dt^2 at t = 0, [n].

    o'' is (o(w + h p) - 2 o(w) + o(w - h p)) / h^2, two evaluations of the outputs: exact second
    derivatives along a direction would need a forward mode, and Keras's custom gradients have none.
    What is rounding in it counts as 0. d^2 L / do^2 is the loss's own, also where F leaves out what
    is below 0.

    Args:
        problem: A `LeastSquares`.
        variables: The variables that are moved.
        factor: The `Factor` at their values.
        step: p, [n].
        dtype: Of the result.
    """
    values = [v.value for v in variables]
    change = flat_weights.split(_REACH * step, variables)
    ahead = problem.outputs([v + c for v, c in zip(values, change, strict=True)], problem.inputs)
    behind = problem.outputs([v - c for v, c in zip(values, change, strict=True)], problem.inputs)
    curved = []
    for o, a, b in zip(factor.outputs, ahead, behind, strict=True):
        second = (a - 2.0 * o + b) / _REACH**2
        epsilon = float(np.finfo(keras.backend.standardize_dtype(o.dtype)).eps)
        size = xp.absolute(a) + 2.0 * xp.absolute(o) + xp.absolute(b)
        # What is not finite stays, and the step then is not accelerated.
        is_rounding = xp.absolute(second) <= epsilon / _REACH**2 * size
        curved.append(xp.where(is_rounding, xp.zeros_like(second), second))
    bent = jacobian.hessian_product(lambda o: problem.loss(values, o), factor.outputs, curved)
    return flat_weights.join(factor.pull_back(bent), dtype)


def _is_below(examples: Any, per_example: int, max_size: int) -> bool:
    """Whether there are few enough residuals; on TensorFlow their number is not known before."""
    return not isinstance(examples, int) or examples * per_example <= max_size


class _Root(NamedTuple):
    """The square root B of the loss's second derivative in one output."""

    rows: int  # for an example
    part: Any  # takes indices of examples; returns what `cotangent` needs of them
    cotangent: Any  # takes a row's number and one example's part; returns the row of B
    target: Any  # b, [examples, rows]
    left_over: Any  # the slopes dL/do that B^T b does not give, in the output's shape


def _root(
    problem: LeastSquares,
    values: list[Any],
    outputs: list[Any],
    index: int,
    dtype: str,
    epsilon: float,
) -> _Root:
    output = outputs[index]
    shape = tuple(output.shape[1:])
    if None in shape:
        raise ValueError(
            "GaussNewton needs outputs of a known shape, so that the number of residuals of an "
            f"example is known. Received: an output of the shape {tuple(output.shape)}. Give the "
            "model inputs of a fixed length."
        )
    count = math.prod(shape)
    last = shape[-1] if shape else 1

    def loss(changed: Any) -> Any:
        every = [changed[0] if i == index else o for i, o in enumerate(outputs)]
        return problem.loss(values, every)

    (slope,) = jacobian.gradients(loss, [output])
    slopes = xp.reshape(xp.cast(slope, dtype), (-1, count))
    elementwise = problem.elementwise
    if isinstance(elementwise, (list, tuple)):
        elementwise = elementwise[index]
    if elementwise or last == 1:
        ones = xp.zeros_like(output) + 1.0
        (second,) = jacobian.hessian_product(loss, [output], [ones])
        curvature = xp.reshape(xp.cast(second, dtype), (-1, count))
        root, target, known = _square_root(curvature, slopes)

        def row_of_diagonal(row: Any, part: Any) -> Any:
            return xp.cast(xp.arange(count) == row, dtype) * part

        left = _like(xp.where(known, slopes * 0.0, slopes), output)
        return _Root(count, lambda i: xp.take(root, i), row_of_diagonal, target, left)
    if last > _MOST_OUTPUTS:
        raise ValueError(
            "GaussNewton decomposes the second derivative of the loss in each example's outputs "
            f"where it does not know the loss as a sum over single numbers. Expected at most "
            f"{_MOST_OUTPUTS} outputs then. Received: {last}. Use one of Keras's own losses "
            "(mean_squared_error, binary_crossentropy), or NewtonCG(curvature='gauss_newton')."
        )
    units = [
        xp.zeros_like(output) + xp.cast(xp.arange(last) == k, output.dtype) for k in range(last)
    ]
    products = jacobian.hessian_products(loss, [output], xp.stack(units))
    products = xp.reshape(xp.cast(products, dtype), (last, -1, last))
    # One block for each example and position.
    blocks = 0.5 * xp.einsum("kbj->bkj", products) + 0.5 * xp.einsum("kbj->bjk", products)
    eigenvalues, vectors = jacobian.eigenvectors_of_blocks(blocks)
    slopes = xp.reshape(slopes, (-1, last))
    projected = xp.einsum("bka,bk->ba", vectors, slopes)
    # What is rounding beside the block's largest eigenvalue, or its slope, counts as 0.
    floor = 100.0 * epsilon * last * eigenvalues[:, -1:]
    eigenvalues = xp.where(eigenvalues > floor, eigenvalues, eigenvalues * 0.0)
    root, target, known = _square_root(eigenvalues, projected)
    every = xp.reshape(xp.einsum("ba,bka->bak", root, vectors), (-1, count // last, last, last))
    floor = 1e3 * epsilon * xp.square_root(xp.einsum("bk,bk->b", slopes, slopes))
    rounding = xp.absolute(projected) <= xp.reshape(floor, (-1, 1))
    left = xp.where(known | rounding, projected * 0.0, projected)
    left = xp.einsum("bka,ba->bk", vectors, left)

    def row_of_blocks(row: Any, part: Any) -> Any:
        chosen = xp.reshape(xp.cast(xp.arange(count) == row, dtype), (count // last, last))
        return xp.einsum("pak,pa->pk", part, chosen)

    return _Root(
        count,
        lambda i: xp.take(every, i),
        row_of_blocks,
        xp.reshape(target, (-1, count)),
        _like(left, output),
    )


def _square_root(curvature: Any, slopes: Any) -> tuple[Any, Any, Any]:
    """The roots of numbers, what of the slopes they give, and where they are above 0."""
    known = curvature > 0.0
    root = xp.square_root(xp.where(known, curvature, curvature * 0.0))
    target = slopes / xp.where(known, root, root * 0.0 + 1.0)
    return root, xp.where(known, target, target * 0.0), known


def _like(numbers: Any, output: Any) -> Any:
    return xp.cast(xp.reshape(numbers, (-1, *output.shape[1:])), output.dtype)


def _penalty(
    problem: LeastSquares, values: list[Any], outputs: list[Any], zeros: Any, dtype: str
) -> tuple[Any, Any]:
    """The penalties' rows, and their gradient where they have no curvature.

    The curvature is the sums of the second derivative's rows: its diagonal, for penalties of single
    weights.
    """

    def penalty(weights: Any) -> Any:
        return problem.loss(weights, outputs)

    gradient = flat_weights.join(jacobian.gradients(penalty, values), dtype)
    ones = [xp.zeros_like(value) + 1.0 for value in values]
    second = flat_weights.join(jacobian.hessian_product(penalty, values, ones), dtype)
    root, target, known = _square_root(second, gradient)
    rows = xp.concatenate([xp.diagonal_matrix(root), xp.reshape(target, (-1, 1))], 1)
    return rows, xp.where(known, zeros, gradient)
