"""What the copies of a model that are trained side by side measure and know together."""

import torch
import torch.distributed


def sum_over_replicas(tensor):
    """The sum over all processes of `torch.distributed`, differentiable; else the tensor itself."""
    if not _is_initialized():
        return tensor
    return _Sum.apply(tensor)


def count():
    """How many processes of `torch.distributed` take each step together; 1 without it."""
    return torch.distributed.get_world_size() if _is_initialized() else 1


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    return not _is_initialized() or torch.distributed.get_rank() == 0


def judges(model):
    """Whether this process has what there is to judge of a run: the chief, see `from_chief`."""
    return is_chief(model)


def from_chief(item):
    """What the chief gives for `item`, which must be one that can be pickled, in all processes."""
    if count() == 1:
        return item
    items = [item]
    torch.distributed.broadcast_object_list(items)
    return items[0]


def concatenate(tensor):
    """The tensors of all processes, of one shape, as one along the first axis."""
    parts = [torch.empty_like(tensor) for _ in range(count())]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def examples_of_all(examples):
    """Some examples of a batch: of this process's part, as only the chief looks at them.

    Args:
        examples: dict of tensors with one example a row.
    """
    return examples


def reduced_gradients(gradients, optimizer):
    """The gradients as the optimizer applies them.

    They come averaged where `DistributedDataParallel` made them; an optimizer that averages them
    itself says so by `reduces_over_replicas`.
    """
    if not getattr(optimizer, "reduces_over_replicas", False):
        return gradients
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) / count()
    torch.distributed.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    return [part.reshape(g.shape) for part, g in zip(parts, gradients, strict=True)]


def as_log(tensor):
    """A tensor so that it leaves the step in Keras's logs: as it is."""
    return tensor


def _is_initialized():
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class _Sum(torch.autograd.Function):
    """Each process has the sum, so each has a part in every gradient: its transpose is itself."""

    @staticmethod
    def forward(context, tensor):
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient):
        return _Sum.apply(gradient)
