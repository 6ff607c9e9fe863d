"""The optimizer that updates the weights."""

from typing import Any


def inner_optimizer(model: Any) -> Any:
    """The model's optimizer, out of a `LossScaleOptimizer` if need be; None without one."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
