"""A term of the loss that is there only while the loss is being differentiated."""

import torch

from keras_dlnotes.backend.always_recording import is_always_recording


def only_while_recording(function, *tensors):
    """`function(*tensors)` while gradients are recorded, else 0.

    torch records by default: Keras evaluates under `torch.no_grad()`, and so should everyone else.

    Args:
        function: pure, gives a scalar of the first tensor's dtype.
        *tensors: floating-point tensors.
    """
    if torch.is_grad_enabled() or is_always_recording():
        return function(*tensors)
    return torch.zeros((), dtype=tensors[0].dtype, device=tensors[0].device)
