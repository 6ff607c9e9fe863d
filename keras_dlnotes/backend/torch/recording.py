"""A term of the loss only while a gradient is recorded; of what a train step records one."""

import torch

from keras_dlnotes.backend.gradient_scopes import AskedForGradient, is_always_recording
from keras_dlnotes.backend.replacements import replaced_here


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


def differentiated_loss(model, data):
    """Runs the model's `train_step` until it asks for a gradient, and returns of what.

    Args:
        model: a Keras model, whose variables are not to change.
        data: as `train_step` takes it.

    Raises:
        ValueError: if it asks for none.
    """

    def backward(tensor, *arguments, **options):
        raise AskedForGradient(tensor)

    def keep(module, set_to_none=True):
        """The parameters' gradients are those of the training."""

    with (
        replaced_here(torch.Tensor, "backward", lambda _: backward),
        replaced_here(torch.nn.Module, "zero_grad", lambda _: keep),
    ):
        try:
            model.train_step(data)
        except AskedForGradient as asked:
            return torch.sum(asked.args[0])
    raise ValueError("`train_step` calls no `backward`")
