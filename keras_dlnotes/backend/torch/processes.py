"""What processes that train one model together agree on between steps."""

import datetime
import time
import warnings
import weakref
from typing import Any

import torch
import torch.distributed

from keras_dlnotes.backend import internals as keras_internals
from keras_dlnotes.backend.torch import internals
from keras_dlnotes.backend.torch.replicas import count, together

_meetings = 0  # that all processes have come to
_trained: Any = weakref.WeakKeyDictionary()  # from a model to what `note_trained` has noted
_SECONDS_UNTIL_WARNING = 30.0


def is_alone(model):
    """Whether no other process trains the model too."""
    return count() == 1


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    return is_alone(model) or torch.distributed.get_rank() == 0


def judges(model):
    """Whether this process has what there is to judge of a run: the chief, see `from_chief`."""
    return is_chief(model)


def from_chief(item):
    """What the chief gives for `item`, which must be one that can be pickled, in all processes."""
    if count() == 1:
        return item
    items = [item]
    with together():
        torch.distributed.broadcast_object_list(items)
    return items[0]


def reason_of_chief(model, reason, timed):
    """Why the chief stops training, or None, so that all processes stop together.

    Args:
        model: the model that is trained.
        reason: this process's, or None.
        timed: whether the reason may depend on the time.
    """
    return from_chief(reason)


def any_process(flag):
    """Whether the flag is set in any process, each of which must ask."""
    if count() == 1:
        return flag
    flags = [False] * count()
    with together():
        torch.distributed.all_gather_object(flags, flag)
    return any(flags)


def keeps_logs_apart():
    """Whether the logs of a step are of this process's part of the batch."""
    return count() > 1


def note_trained(model):
    """Takes note of how many examples an epoch has trained on, before validation counts anew."""
    if count() > 1:
        _trained[model] = _examples_counted(model)


def mean_logs(model, numbers):
    """The means over all processes, each of which must ask, of the numbers in their logs.

    The weights are the numbers of examples, as Keras's metrics weigh batches: of `val_` numbers
    those of the validation that was last, of others those that were trained on in this epoch.

    Args:
        model: a compiled model inside `fit`.
        numbers: dict from name to number.
    """
    if count() == 1:
        return numbers
    counted = _examples_counted(model)
    validated = any(name.startswith("val_") for name in numbers)
    trained = _trained.get(model, counted) if validated else counted
    every: list = [None] * count()
    with together():
        torch.distributed.all_gather_object(every, (trained, counted, numbers))
    means = {}
    for name in numbers:
        weights = [counts[name.startswith("val_")] for *counts, _ in every]
        if all(name in logs for *_, logs in every):
            means[name] = sum(
                weight * logs[name] for weight, (*_, logs) in zip(weights, every, strict=True)
            ) / sum(weights)
    return means


def _examples_counted(model):
    tracker = keras_internals.loss_tracker.of(model, None)
    return (0.0 if tracker is None else float(tracker.count)) or 1.0


def meet(settings):
    """Waits until all processes are here, and sees that all want the same.

    Measuring takes part in collectives, in which a process that is missing would be waited for
    without a word of what for.

    Args:
        settings: text that must be the same in all processes.

    Raises:
        RuntimeError: if a process does not come within the timeout of the process group.
        ValueError: if settings differ.
    """
    global _meetings
    if count() == 1:
        return
    distributed = torch.distributed
    store = internals.default_store.value()
    keys = [f"keras_dlnotes/{_meetings}/{rank}" for rank in range(count())]
    own = keys[distributed.get_rank()]
    store.set(own, settings)
    start, patience = time.monotonic(), store.timeout.total_seconds()
    for seconds in (_SECONDS_UNTIL_WARNING, patience):
        try:
            left = max(min(seconds, patience) - (time.monotonic() - start), 1.0)
            store.wait(keys, datetime.timedelta(seconds=left))
            break
        except RuntimeError:
            missing = [rank for rank, key in enumerate(keys) if not store.check([key])]
            waited = f"{time.monotonic() - start:.0f} s"
            wanted = (
                "Expected every process of torch.distributed to call `fit` with the same "
                "TrainingMonitor, Diagnosis and EarlyStopping, since what they measure is of all "
                f"processes; only rank 0 writes. Received none from rank {missing} in {waited}."
            )
            if seconds == patience or patience <= _SECONDS_UNTIL_WARNING:
                store.delete_key(own)  # the next attempt is the same meeting
                raise RuntimeError(
                    f"{wanted} Give the callback to all ranks, or train without torch.distributed."
                ) from None
            warnings.warn(f"{wanted} Still waiting.", stacklevel=2)
    every = [store.get(key).decode() for key in keys]
    _meetings += 1
    if len(set(every)) > 1:
        raise ValueError(
            "Expected every process of torch.distributed to have the same callbacks in the same "
            "order, and to record the same steps. Received: "
            + "; ".join(f"rank {rank}: {text}" for rank, text in enumerate(every))
            + ". Give all of them the same callbacks, and data of as many batches."
        )
