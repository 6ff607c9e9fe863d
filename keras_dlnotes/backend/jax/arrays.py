"""Array operations that keep their argument's dtype, and what one training step hands the next.

`keras.ops` computes some float64 operations in float32 on some backends; line searches and
quasi-Newton updates cannot afford that, so they ask the backend itself.
"""

import jax
import jax.numpy as jnp
from jax.experimental import sparse

where = jnp.where
absolute = jnp.abs
square_root = jnp.sqrt
maximum = jnp.maximum
minimum = jnp.minimum
is_finite = jnp.isfinite
logical_not = jnp.logical_not
stack = jnp.stack
reshape = jnp.reshape
zeros_like = jnp.zeros_like


def scalar(tensor):
    """A tensor of one number as the scalar that the methods compute with: itself."""
    return tensor


def cast(array, dtype):
    """The array in another dtype."""
    return jnp.asarray(array).astype(dtype)


def tensor(values, dtype):
    """`values` as a tensor of exactly `dtype`."""
    return jnp.asarray(values, dtype=dtype)


def unstack(vector, count):
    """The `count` scalars of a vector."""
    return [vector[i] for i in range(count)]


def all_equal(first, second):
    """Whether two vectors agree in every number, bit for bit but for the sign of zero."""
    return jnp.all(first == second)


def largest_magnitude(vector):
    """max_i |vector_i|; 0 of no numbers."""
    if vector.shape[0] == 0:
        return jnp.zeros((), vector.dtype)
    return jnp.max(jnp.abs(vector))


def least(vector):
    """min_i vector_i."""
    return jnp.min(vector)


def ascending(vector):
    """The indices that sort a vector, equal numbers in their order."""
    return jnp.argsort(vector, stable=True)


def running_sums(array, backwards=False):
    """Sums over the first axis up to each place, or (`backwards`) from each place on."""
    return jax.lax.cumsum(array, axis=0, reverse=backwards)


def dot(first, second):
    """The inner product of two vectors."""
    return jnp.dot(first, second, precision="highest")


def matrix_vector(matrix, vector):
    """Matrix [r, n] times vector [n]."""
    return jnp.dot(matrix, vector, precision="highest")


def vector_matrix(vector, matrix):
    """Vector [r] times matrix [r, n]."""
    return jnp.dot(vector, matrix, precision="highest")


def matrix_product(first, second):
    """Matrix [p, r] times matrix [r, n]."""
    return jnp.dot(first, second, precision="highest")


def einsum(equation, *arrays):
    """Sums of products of arrays' entries, as an equation of indices says."""
    return jnp.einsum(equation, *arrays, precision="highest")


def outer(first, second):
    """The matrix [p, q] of all products of two vectors' numbers."""
    return first[:, None] * second[None, :]


def solve(matrix, right):
    """Solve matrix @ x = right, [p, q], for a small square matrix."""
    return jnp.linalg.solve(matrix, right)


def solve_triangular(matrix, vector, lower):
    """Solve matrix @ x = vector for a small triangular matrix."""
    return jax.scipy.linalg.solve_triangular(matrix, vector, lower=lower)


def upper_triangle(matrix):
    """The matrix with zeros below its diagonal."""
    return jnp.triu(matrix)


concatenate = jnp.concatenate
transpose = jnp.transpose
diagonal = jnp.diag
diagonal_matrix = jnp.diag


def take_square(matrix, indices):
    """The rows and columns of a square matrix that an integer vector names."""
    return matrix[indices][:, indices]


def place(vector, index, value):
    """The vector (or, along the first axis, the matrix) with the entry `index` replaced."""
    return vector.at[index].set(value)


def entry(matrix, index):
    """One number of a matrix's diagonal."""
    return matrix[index, index]


def eigh(matrix):
    """Eigenvalues, ascending, and eigenvectors (columns) of a symmetric matrix."""
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors


def singular_values(matrix):
    """U [m, r], s [r] descending and V^T [r, n] of a matrix [m, n], r = min(m, n)."""
    return tuple(jnp.linalg.svd(matrix, full_matrices=False))


def take(array, indices):
    """The rows of an array that an integer vector names."""
    return array[indices]


def arange(count):
    """0, 1, ..., count - 1 as 32-bit integers."""
    return jnp.arange(count, dtype="int32")


def row(matrix, index):
    """One row of a matrix."""
    return jax.lax.dynamic_index_in_dim(matrix, index, keepdims=False)


def assign_row(variable, index, value):
    """Write one row of a matrix variable and leave the others where they lie."""
    variable.assign(jax.lax.dynamic_update_index_in_dim(variable.value, value, index, 0))


def clip_now(variable, low, high):
    """Move a variable's numbers between these arrays at once, not in the program being traced."""
    variable.assign(jnp.clip(variable.value, low, high))


def set_now(variable, value):
    """Give a variable the numbers of an array at once, not in the program being traced."""
    variable.assign(value)


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return gradient.todense() if isinstance(gradient, sparse.JAXSparse) else gradient


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return isinstance(value, jax.Array)


def flatten(tensors, dtype):
    """One vector of all tensors' numbers, in order; sparse gradients made dense."""
    pieces = [jnp.reshape(to_dense(t), (-1,)).astype(dtype) for t in tensors]
    if not any(isinstance(piece, jax.core.Tracer) for piece in pieces):
        # Copied even if there is only one: two variables must never share a buffer, because a
        # compiled step is given each variable's buffer to overwrite.
        return jnp.array(jnp.concatenate(pieces))
    # Written piece by piece: XLA on a CPU would compute a concatenation number by number, asking of
    # each which piece it lies in, and anew in every loop that uses it.
    vector = jnp.zeros(sum(piece.size for piece in pieces), dtype)
    offset = 0
    for piece in pieces:
        vector = jax.lax.dynamic_update_slice(vector, piece, (offset,))
        offset += piece.size
    return vector


def copied(array):
    """The array in memory of its own."""
    return jnp.array(array, copy=True)


def conditional(predicate, when_true, when_false):
    """Run one of two functions of no arguments; both return the same structure of tensors."""
    if isinstance(predicate, jax.core.Tracer):
        return jax.lax.cond(predicate, when_true, when_false)
    return when_true() if predicate else when_false()


def detached(loss):
    """The loss as a number to carry from `scale_loss` to `apply`, outside differentiation.

    `stop_gradient` returns the value that lies under the differentiation's own tracer: one that
    belongs to the enclosing compiled step (or to none), in which `apply` runs as well.
    """
    return jax.lax.stop_gradient(jnp.asarray(loss))


def is_usable(value):
    """Whether a carried number can still be used where the program now is."""
    try:
        value + 0  # a tracer whose trace has ended, or that belongs to another one, says so here
    except jax.errors.UnexpectedTracerError:
        return False
    return True
