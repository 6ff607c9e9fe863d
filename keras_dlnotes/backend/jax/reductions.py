"""Reductions of the rows of a matrix, shaped so that XLA vectorises them on a CPU."""

import math

import jax
import jax.numpy as jnp

from keras_dlnotes.backend.jax import internals

# A full reduction under XLA on a CPU is one long chain of dependent additions. Reduced first over
# rows of this many independent lanes it is vectorised, and measured two to three times faster.
_LANES = 1024

# Tensors of one shape and at most so many elements are measured as one. A step takes the same time,
# since XLA has no overhead of operations, but it compiles each reduction of each tensor on its own:
# ResNet50's recorded step took 32 s to compile without, 23 s with it. Longer tensors are not
# copied, for the sake of memory.
STACKED_SIZE = 65_536


# On a GPU a copy costs less than the start of an operation.
STACKED_SIZE_ON_GPU = 4_194_304


def stacked_size(once=False):
    """Up to how many elements tensors of one shape are measured as one.

    Args:
        once: whether a single reduction of them is wanted, which makes no difference here.
    """
    return STACKED_SIZE_ON_GPU if jax.default_backend() != "cpu" else STACKED_SIZE


def belongs_to_step(tensor, reference):
    """Whether a tensor caught in a layer can be read where the train step ends.

    A tracer of an inner trace (the body of a `scan` or of a rematerialised layer) must not
    leave it. `reference` holds tensors of the step itself: the model's inputs and outputs.
    """
    if not isinstance(tensor, jax.core.Tracer):
        return True
    trace_of = internals.trace_of_tracer.of
    traces = [trace_of(r) for r in reference if isinstance(r, jax.core.Tracer)]
    return any(trace_of(tensor) is trace for trace in traces)


def _lanes(x):
    return jnp.reshape(x, (x.shape[0], -1, math.gcd(x.shape[1], _LANES)))


def _total(x):
    return jnp.sum(jnp.sum(x, axis=1), axis=1)


def as_row(tensor):
    """A tensor as a matrix of one row, without gradient; half precision becomes float32."""
    row = jnp.reshape(jax.lax.stop_gradient(tensor), (1, -1))
    return row.astype(jnp.float32) if row.dtype in (jnp.float16, jnp.bfloat16) else row


def join(vectors, order):
    """Concatenates vectors to one of float32, and puts its numbers in another order."""
    vector = jnp.concatenate([v.astype(jnp.float32) for v in vectors])
    return vector if order is None else vector[order]


def stack_rows(rows):
    """Matrices of one row each as one matrix."""
    return jnp.concatenate(rows)


def row_lengths(matrix):
    """The number of elements of each row, as float32."""
    return jnp.full((matrix.shape[0],), float(matrix.shape[1]), jnp.float32)


def copy_of(variable):
    """What a Keras variable holds now, whatever becomes of it."""
    return variable.value


def moments(matrices):
    r"""Mean and biased variance \(\sigma^2 = \frac{1}{n} \sum (x - \mu)^2\), matrix by matrix."""
    results = []
    for matrix in matrices:
        x = _lanes(matrix)
        mean = _total(x) / matrix.shape[1]
        variance = _total(jnp.square(x - mean[:, None, None])) / matrix.shape[1]
        results.append((mean, variance))
    return results


def sum_of_squares(x):
    """The sum of the squared elements of each row."""
    return _total(jnp.square(_lanes(x)))


def extremes(x):
    """Minimum and maximum of each row."""
    x = _lanes(x)
    return jnp.min(jnp.min(x, axis=1), axis=1), jnp.max(jnp.max(x, axis=1), axis=1)


def count_zeros(x):
    """How many elements of each row are exactly 0, as a float."""
    return count_where(x == 0)


def count_farther(x, centers, radii):
    """How many elements of each row are farther than a radius from a center, as a float."""
    distances = jnp.abs(x - jnp.asarray(centers, x.dtype)[:, None])
    return count_where(distances > jnp.asarray(radii, x.dtype)[:, None])


def count_where(condition):
    """How many elements of each row of a boolean matrix are true, as a float."""
    return _total(_lanes(condition).astype(jnp.float32))
