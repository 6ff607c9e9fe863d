"""Array operations that keep their argument's dtype, and what one training step hands the next.

`keras.ops` computes some float64 operations in float32 on some backends; line searches and
quasi-Newton updates cannot afford that, so they ask the backend itself.
"""

import keras
import numpy as np
import torch

from keras_dlnotes.backend import internals

reshape = torch.reshape


def scalar(tensor):
    """A tensor of one number as the scalar that the methods compute with, of the same dtype.

    An operation on a tensor takes some 5 microseconds, however few its numbers are, and a step of a
    method has hundreds on scalars. So here these are NumPy's.
    """
    return tensor.detach().cpu().numpy()[()] if isinstance(tensor, torch.Tensor) else tensor


def _are_scalars(*values):
    return not any(isinstance(value, torch.Tensor) for value in values)


def where(condition, first, second):
    """The numbers of `first` where the condition holds, else those of `second`."""
    if isinstance(condition, torch.Tensor):
        return torch.where(condition, torch.as_tensor(first), torch.as_tensor(second))
    chosen, other = (first, second) if condition else (second, first)
    if not isinstance(chosen, torch.Tensor):
        shaped = isinstance(other, torch.Tensor) and other.ndim > 0
        return torch.full_like(other, float(chosen)) if shaped else chosen
    # A copy, as `torch.where` gives: the original may be a variable that is assigned next.
    return chosen.expand(other.shape).clone() if chosen.ndim < np.ndim(other) else chosen.clone()


def absolute(array):
    """The magnitudes of numbers."""
    return abs(array)


def square_root(array):
    """The square roots of numbers."""
    return np.sqrt(array) if _are_scalars(array) else torch.sqrt(array)


def maximum(first, second):
    """The larger one of two numbers each."""
    if _are_scalars(first, second):
        return np.maximum(first, second)
    return torch.maximum(torch.as_tensor(first), torch.as_tensor(second))


def minimum(first, second):
    """The smaller one of two numbers each."""
    if _are_scalars(first, second):
        return np.minimum(first, second)
    return torch.minimum(torch.as_tensor(first), torch.as_tensor(second))


def is_finite(array):
    """Whether numbers are neither infinite nor NaN."""
    return np.isfinite(array) if _are_scalars(array) else torch.isfinite(array)


def logical_not(array):
    """Whether something does not hold."""
    return not array if _are_scalars(array) else torch.logical_not(array)


def stack(arrays):
    """Arrays of one shape as one, along a new first axis."""
    if _are_scalars(*arrays):
        return torch.as_tensor(np.array(arrays), device=internals.get_device.value())
    return torch.stack(
        [torch.as_tensor(array, device=internals.get_device.value()) for array in arrays]
    )


def zeros_like(array):
    """Zeros of the array's shape and dtype."""
    return np.zeros_like(array)[()] if _are_scalars(array) else torch.zeros_like(array)


def cast(array, dtype):
    """The array in another dtype."""
    name = str(dtype).removeprefix("torch.")
    if _are_scalars(array):
        return np.dtype(name).type(array)
    return array.to(internals.to_torch_dtype.value(name))


def tensor(values, dtype):
    """`values` as a tensor of exactly `dtype`."""
    return torch.as_tensor(
        values, dtype=internals.to_torch_dtype.value(dtype), device=internals.get_device.value()
    )


def unstack(vector, count):
    """The `count` scalars of a vector, or rows of a matrix."""
    return list(vector.detach().cpu().numpy() if vector.ndim == 1 else torch.unbind(vector))


def all_equal(first, second):
    """Whether two vectors agree in every number, bit for bit but for the sign of zero."""
    return scalar(torch.all(first == second))


def largest_magnitude(vector):
    """max_i |vector_i|; 0 of no numbers."""
    if vector.shape[0] == 0:
        return scalar(vector.new_zeros(()))
    return scalar(torch.max(torch.abs(vector)))


def least(vector):
    """min_i vector_i."""
    return scalar(torch.min(vector))


def ascending(vector):
    """The indices that sort a vector, equal numbers in their order."""
    return torch.argsort(vector, stable=True)


def running_sums(array, backwards=False):
    """Sums over the first axis up to each place, or (`backwards`) from each place on."""
    if backwards:
        return torch.flip(torch.cumsum(torch.flip(array, (0,)), 0), (0,))
    return torch.cumsum(array, 0)


def dot(first, second):
    """The inner product of two vectors."""
    return scalar(torch.dot(first, second))


def matrix_vector(matrix, vector):
    """Matrix [r, n] times vector [n]."""
    return torch.mv(matrix, vector)


def vector_matrix(vector, matrix):
    """Vector [r] times matrix [r, n]."""
    return torch.matmul(vector, matrix)


def matrix_product(first, second):
    """Matrix [p, r] times matrix [r, n]."""
    return torch.matmul(first, second)


def einsum(equation, *arrays):
    """Sums of products of arrays' entries, as an equation of indices says."""
    return torch.einsum(equation, *arrays)


def outer(first, second):
    """The matrix [p, q] of all products of two vectors' numbers."""
    return torch.outer(first, second)


def solve(matrix, right):
    """Solve matrix @ x = right, [p, q], for a small square matrix."""
    return torch.linalg.solve_ex(matrix, right)[0]


def solve_triangular(matrix, vector, lower):
    """Solve matrix @ x = vector for a small triangular matrix."""
    return torch.linalg.solve_triangular(matrix, vector[:, None], upper=not lower)[:, 0]


def upper_triangle(matrix):
    """The matrix with zeros below its diagonal."""
    return torch.triu(matrix)


concatenate = torch.cat
diagonal = torch.diag
diagonal_matrix = torch.diag


def transpose(matrix):
    """The transposed matrix."""
    return matrix.T


def take_square(matrix, indices):
    """The rows and columns of a square matrix that an integer vector names."""
    return matrix[indices][:, indices]


def place(vector, index, value):
    """The vector (or, along the first axis, the matrix) with the entry `index` replaced."""
    changed = vector.clone()
    changed[int(index)] = torch.as_tensor(value)
    return changed


def entry(matrix, index):
    """One number of a matrix's diagonal."""
    return scalar(matrix[int(index), int(index)])


def eigh(matrix):
    """Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def singular_values(matrix):
    """U [m, r], s [r] descending and V^T [r, n] of a matrix [m, n], r = min(m, n)."""
    return tuple(torch.linalg.svd(matrix, full_matrices=False))


def take(array, indices):
    """The rows of an array that an integer vector names."""
    chosen = array[indices]
    return scalar(chosen) if chosen.ndim == 0 else chosen


def arange(count):
    """0, 1, ..., count - 1 as 32-bit integers."""
    return torch.arange(count, dtype=torch.int32, device=internals.get_device.value())


def row(matrix, index):
    """One row of a matrix."""
    return matrix[int(index)].clone()


def assign_row(variable, index, value):
    """Write one row of a matrix variable and leave the others where they lie."""
    with torch.no_grad():
        variable.value[int(index)] = value


def clip_now(variable, low, high):
    """Move a variable's numbers between these arrays at once, not in the program being traced."""
    value = variable.value.detach()
    # By float64: torch does not know NumPy's bfloat16.
    low, high = (torch.as_tensor(b.astype("float64")).to(value) for b in (low, high))
    variable.assign(torch.minimum(torch.maximum(value, low), high))


def set_now(variable, value):
    """Give a variable the numbers of an array at once, not in the program being traced."""
    variable.assign(value)


def to_dense(gradient):
    """The gradient as one tensor of the variable's shape; rows that occur twice are added up."""
    if not isinstance(gradient, torch.Tensor):
        gradient = keras.ops.convert_to_tensor(gradient)  # a NumPy array, say
    return gradient.to_dense() if gradient.is_sparse else gradient


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return isinstance(value, torch.Tensor) and not value.is_sparse


def flatten(tensors, dtype):
    """One vector of all tensors' numbers, in order; sparse gradients made dense."""
    dense = map(to_dense, tensors)
    return torch.cat(
        [t.detach().reshape(-1).to(internals.to_torch_dtype.value(dtype)) for t in dense]
    )


def copied(array):
    """The array in memory of its own."""
    return array.clone()


def conditional(predicate, when_true, when_false):
    """Run one of two functions of no arguments; both return the same structure of tensors."""
    return when_true() if bool(predicate) else when_false()


def detached(loss):
    """The loss as a number to carry from `scale_loss` to `apply`, outside differentiation."""
    return torch.as_tensor(loss).detach()


def is_usable(value):
    """Whether a carried number can still be used where the program now is."""
    return True
