"""The loss that a model's own `train_step` differentiates."""

import torch

from keras_dlnotes.backend.asked_for_gradient import AskedForGradient
from keras_dlnotes.backend.this_thread import replaced_here


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
