"""Sparse gradients: JAX's own arithmetic is dense, but a caller may pass a `BCOO` array."""

from jax.experimental import sparse


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return gradient.todense() if isinstance(gradient, sparse.JAXSparse) else gradient
