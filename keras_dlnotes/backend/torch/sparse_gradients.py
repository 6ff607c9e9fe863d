"""Sparse gradients: torch's sparse tensors, as `torch.nn.Embedding(sparse=True)` returns them."""

import keras
import torch


def to_dense(gradient):
    """The gradient as one tensor of the variable's shape; rows that occur twice are added up."""
    if not isinstance(gradient, torch.Tensor):
        gradient = keras.ops.convert_to_tensor(gradient)  # a NumPy array, say
    return gradient.to_dense() if gradient.is_sparse else gradient


def is_dense(value):
    """Whether a value is a tensor with all of its numbers stored."""
    return isinstance(value, torch.Tensor) and not value.is_sparse
