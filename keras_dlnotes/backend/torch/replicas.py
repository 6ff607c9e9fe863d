"""The processes of `torch.distributed`, each of which trains a copy of the model."""

import contextlib

import numpy as np
import torch
import torch.distributed

# Each process has the mean over its own examples.
LOSS_IS_DIVIDED = False

# Sums over the processes can be taken after a step as well as in it.
SUMS_BETWEEN_STEPS = True


def count():
    """How many processes train the weights, each with its own part of a batch."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def count_of(model):
    """How many processes train a model."""
    return count()


def scope_of(variables):
    """The context in which more variables like these are made: nothing special."""
    return contextlib.nullcontext()


def refusal():
    """The name of a strategy that is not supported, or None: there are no others."""
    return None


@contextlib.contextmanager
def together():
    """Where processes wait for each other: says which ones were expected if one does not come.

    Raises:
        RuntimeError: If one is gone, or does not come within the timeout of the process group.
    """
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            f"Expected all {count()} processes of torch.distributed to come to the same step of "
            f"the training. Received at rank {torch.distributed.get_rank()}: nothing from another "
            "one. It is gone, has ended `fit` earlier (an error, fewer epochs or batches, a "
            "callback that stops it alone), or did not come within the timeout of the process "
            "group (init_process_group(timeout=...)). Look for its own error, give all the same "
            "number of epochs and batches, and start all of them again: BackupAndRestore resumes "
            f"the training where all read one backup (docs/distributed.md). Reported: {error}"
        ) from error


def sum_over_replicas(tensor):
    """The sum over all processes of `torch.distributed`, differentiable; else the tensor itself."""
    return tensor if count() == 1 else _Sum.apply(tensor)


def concatenate(tensor):
    """The tensors of all processes, of one shape, as one along the first axis."""
    parts = [torch.empty_like(tensor) for _ in range(count())]
    with together():
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


def reduced_gradients(gradients):
    """The gradients themselves: `DistributedDataParallel` has averaged them, or nothing does."""
    return gradients


def as_log(tensor):
    """A tensor so that it leaves the step in Keras's logs: as it is."""
    return tensor


class _Sum(torch.autograd.Function):
    """Each process has the sum, so each has a part in every gradient: its transpose is itself."""

    @staticmethod
    def forward(context, tensor):
        total = tensor.clone()
        with together():
            torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient):
        return _Sum.apply(gradient)


def sums(tensors):
    """The sums of tensors of one dtype over the processes, which take a training step together."""
    if count() == 1:
        return list(tensors)
    vector = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    with together():
        torch.distributed.all_reduce(vector)
    parts = vector.split([tensor.numel() for tensor in tensors])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def on_each_replica(variable, function, *tensors):
    """Call a function of tensors, as every process does for itself."""
    with np.errstate(all="ignore"):  # of scalars that are not finite, as torch does of tensors
        function(*tensors)


def check_agreement(variables, gradient, examples):
    """Raise an error unless all processes have the same weights, and gradients of their own.

    Args:
        variables: `keras.Variable`s that have to agree, bit for bit.
        gradient: This process's gradient, a vector.
        examples: The weight of its part, or None.

    Raises:
        RuntimeError: If they differ.
        ValueError: If gradients that have been averaged already are to be weighted.
    """
    if count() == 1:
        return
    checksums = torch.stack([_checksum(variable.value) for variable in variables])
    gradient = gradient.detach()
    norm = torch.linalg.vector_norm(gradient, dtype=torch.float64)
    weight = torch.as_tensor(-1.0 if examples is None else examples, dtype=torch.float64)
    numbers = [weight.to(gradient.device), norm, gradient.sum(dtype=torch.float64)]
    own = torch.cat([checksums.sum()[None], torch.stack(numbers).view(torch.int64)])
    every = concatenate(own[None])
    weights = every[:, 0].tolist()
    if len(set(weights)) > 1:
        raise RuntimeError(
            "The weights, or the states of the search, differ between the processes of "
            "torch.distributed, so their losses and gradients are not those of one model. Received "
            f"at rank {torch.distributed.get_rank()}: the checksums {weights}, one a "
            "rank. Expected the same everywhere. Call keras.utils.set_random_seed with the same "
            "seed on all ranks before the model is made, or load the same file or backup, of the "
            "same epoch, on all ranks; and let nothing but the optimizer change the weights."
        )
    examples, *gradients = every[:, 1:].contiguous().view(torch.float64).T
    same = all(torch.allclose(numbers, numbers[0], rtol=1e-5, atol=0.0) for numbers in gradients)
    # Gradients that are 0 or not finite everywhere are the same for other reasons.
    if len(set(examples.tolist())) > 1 and same and bool((gradients[0] > 0.0).all()):
        raise ValueError(
            "The gradients are the same on all ranks, although the ranks have different numbers of "
            f"examples. Received: {examples.tolist()} examples. "
            "DistributedDataParallel has averaged them without regard to the examples. Call the "
            "model itself instead: this optimizer sums gradients over the ranks."
        )


def check_copies(variable):
    """Nothing: `check_agreement` compares the processes' weights at each evaluation."""


def _checksum(tensor):
    """The sum of the bits of a tensor's numbers, as integers."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().contiguous().view(whole).sum(dtype=torch.int64)
