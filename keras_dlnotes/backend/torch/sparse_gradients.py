"""Sparse gradients: torch's sparse tensors, as `torch.nn.Embedding(sparse=True)` returns them."""

import torch


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return gradient.to_dense() if gradient.is_sparse else gradient


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return isinstance(value, torch.Tensor) and not value.is_sparse
