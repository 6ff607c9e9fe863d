"""The optimizers of a model, and which step of training it is at, which they count."""

import weakref
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_dlnotes.backend import internals


def inner_optimizer(model: Any) -> Any:
    """The model's optimizer, out of a `LossScaleOptimizer` if need be; None without one."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def optimizers_of(model: keras.Model) -> list[keras.Optimizer]:
    """The optimizer that `compile` set and any other in an attribute, or a list or dict of one."""
    found = [getattr(model, "optimizer", None)]
    for value in vars(model).values():
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple):
            value = (value,)
        found.extend(value)
    found = [item for item in found if isinstance(item, keras.optimizers.Optimizer)]
    return list({id(item): item for item in found}.values())


def loss_scale(optimizer: keras.Optimizer) -> Any:
    """The factor that the gradients still carry when they reach `optimizer`, or None."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.dynamic_scale if optimizer.built else optimizer.initial_scale
    return optimizer.loss_scale_factor


@dataclass
class _Known:
    """What an observed `fit` found.

    Args:
        optimizers: weak references to the model's optimizers.
        count: what they had counted.
        step: number of the step that came next then.
        reached: number of the step that comes next, by the steps taken since.
    """

    optimizers: list[weakref.ref[Any]]
    count: int
    step: int
    reached: int


_KNOWN: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def train_step_number(model: keras.Model) -> int:
    """Number of batches that a model has been trained on, which is that of its next step.

    It is the largest count of the model's optimizers, which is saved with the weights; an
    optimizer counts the batches whose gradients it only accumulates. Some count otherwise: those
    of a `train_step` that updates several times a batch, or not at each; a `LossScaleOptimizer`,
    which skips batches with infinite gradients; and there may be none. So what an observed `fit`
    has counted is remembered for as long as the model lives and keeps its optimizers.

    Args:
        model: a Keras model, compiled or not.
    """
    count = _count(model)
    known = _of(model)
    if known is None:
        return count
    if count < known.count:
        # The weights of an earlier step were loaded; the optimizer counted as it did until now.
        return round(known.step * count / known.count)
    return max(known.step + count - known.count, known.reached)


def note_step(model: keras.Model, step: int) -> None:
    """Says which step comes next; only while variables can be read, as between two epochs."""
    optimizers = [weakref.ref(optimizer) for optimizer in optimizers_of(model)]
    _KNOWN[model] = _Known(optimizers, _count(model), step, step)


def note_reached(model: keras.Model, step: int) -> None:
    """Says which step comes next, at any time."""
    known = _of(model)
    if known is not None:
        known.reached = max(known.reached, step)


def _of(model: keras.Model) -> _Known | None:
    """What is known; None if another `compile` has given the model optimizers anew."""
    known = _KNOWN.get(model)
    if known is None:
        return None
    now = optimizers_of(model)
    same = len(now) == len(known.optimizers) and all(
        reference() is optimizer for reference, optimizer in zip(known.optimizers, now, strict=True)
    )
    return known if same else None


def _count(model: keras.Model) -> int:
    return max((_batches(optimizer) for optimizer in optimizers_of(model)), default=0)


def _batches(optimizer: Any) -> int:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    # `iterations` leaves out the batches whose gradients are only accumulated.
    steps = internals.batches_counted.of(optimizer, None)
    return int(ops.convert_to_numpy(optimizer.iterations if steps is None else steps))
