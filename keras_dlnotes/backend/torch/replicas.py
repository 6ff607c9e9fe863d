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


def concatenate(tensor):
    """The tensors of all processes, of one shape, as one along the first axis."""
    parts = [torch.empty_like(tensor) for _ in range(count())]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def examples_of_all(examples):
    """Some examples of each process's part of a batch, for the logs.

    Those of this process alone where the parts do not fit each other, as where each is padded to a
    length of its own.

    Args:
        examples: dict of tensors with one example a row.
    """
    tensors = list(examples.values())
    if not tensors:
        return examples
    sizes = [size for tensor in tensors for size in tensor.shape]
    every = concatenate(torch.tensor([sizes], device=tensors[0].device)).cpu()
    shapes = torch.split(every, [tensor.ndim for tensor in tensors], dim=1)
    if any((shape[:, 1:] != shape[:1, 1:]).any() for shape in shapes):
        return examples
    return {
        name: _joined(tensor, shape[:, 0].tolist())
        for (name, tensor), shape in zip(examples.items(), shapes, strict=True)
    }


def _joined(tensor, lengths):
    """The tensors of all processes along their first axis, whose lengths are known."""
    full = tensor.new_zeros((max(lengths), *tensor.shape[1:]))
    full[: len(tensor)] = tensor
    # As bytes: not every number type can be gathered.
    every = concatenate(full.reshape(-1).view(torch.uint8)).view(tensor.dtype)
    parts = every.reshape(len(lengths), *full.shape)
    return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])


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
