"""Sparse gradients: JAX's own arithmetic is dense, but a caller may pass a `BCOO` array."""

import jax
from jax.experimental import sparse


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return gradient.todense() if isinstance(gradient, sparse.JAXSparse) else gradient


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return isinstance(value, jax.Array)
