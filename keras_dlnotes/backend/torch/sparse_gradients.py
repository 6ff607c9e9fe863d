"""Sparse gradients: torch's sparse tensors, as `torch.nn.Embedding(sparse=True)` returns them."""


def to_dense(gradient):
    """The gradient as one array of the variable's shape; rows that occur twice are added up."""
    return gradient.to_dense() if gradient.is_sparse else gradient
