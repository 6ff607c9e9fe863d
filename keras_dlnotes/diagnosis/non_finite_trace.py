"""Follows a NaN or infinite number back to where it first appeared."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

# Numbers that become this many times larger diverge; so large ones overflow when multiplied.
GROWN_LOSS = 10.0
GROWN_WEIGHTS = 10.0
GROWN_OUTPUTS = 100.0
HUGE = 1e15
_COMPARED = 10  # recorded steps; over a whole training weights may well grow that much


@dataclass(frozen=True)
class Origin:
    """Where the first number that is not finite was seen.

    Args:
        kind: "weights" before the first step, "forward" in a layer's output, "loss", "gradient",
            "loss or gradient" where the loss of single steps is not known, "update" in what the
            optimizer made of finite gradients, or "unseen" in a step that was not recorded.
        step: the recorded step at which it was seen.
        layer: name of the first layer whose output was not finite.
        variables: paths of the variables whose gradients were not finite, in the model's order.
        all_variables: whether these are all that have a gradient.
        finite_step: the last recorded step before it, at which all was finite; None without.
        grown: whether numbers had grown or were huge before it, as where training diverges.
    """

    kind: str
    step: int
    layer: str | None = None
    variables: tuple = ()
    all_variables: bool = False
    finite_step: int | None = None
    grown: bool = False

    @property
    def by_operation(self) -> bool:
        """Whether one operation made it, at numbers of an ordinary size."""
        return self.kind != "unseen" and not self.grown


@dataclass
class _Seen:
    """What one recorded step shows.

    Args:
        step: its number.
        loss: running mean of the loss, None if unknown.
        sizes: from a layer's name in tags to the largest magnitude of its output.
        bad_outputs: tags of the layers whose output was not finite, in the order of the calls.
        gradients: from a variable's path to whether its gradient was finite.
        weights: from a variable's path to its norm before the step.
    """

    step: int
    loss: float | None
    sizes: dict = field(default_factory=dict)
    bad_outputs: list = field(default_factory=list)
    gradients: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)

    @property
    def bad_weights(self):
        return not np.isfinite(list(self.weights.values())).all()

    @property
    def bad_gradients(self):
        return tuple(path for path, finite in self.gradients.items() if not finite)

    @property
    def broken(self):
        bad_loss = self.loss is not None and not np.isfinite(self.loss)
        return bad_loss or bool(self.bad_outputs) or self.bad_weights


class NonFiniteTrace:
    """Looks at recorded steps, oldest first, until one holds a number that is not finite."""

    def __init__(self):
        self._finite: deque[_Seen] = deque(maxlen=_COMPARED)  # the last ones that were not broken
        self._broken: _Seen | None = None

    def add(self, record):
        """Takes a `StepRecord`."""
        if self._broken is not None:
            return
        seen = _seen(record)
        if seen.broken:
            self._broken = seen
        else:
            self._finite.append(seen)

    def origin(self):
        """The `Origin`; None where all was finite."""
        broken = self._broken
        before = self._finite[-1] if self._finite else None
        grown = self._grown()
        if before is not None and before.bad_gradients and (broken is None or broken.bad_weights):
            return Origin(
                "gradient" if before.loss is not None else "loss or gradient",
                before.step,
                variables=before.bad_gradients,
                all_variables=len(before.bad_gradients) == len(before.gradients),
                finite_step=before.step,
                grown=grown,
            )
        if broken is None:
            return None
        if before is not None and broken.bad_weights:
            at_once = broken.step == before.step + 1
            step, kind = (before.step, "update") if at_once else (broken.step, "unseen")
            return Origin(kind, step, finite_step=before.step, grown=grown)
        kind = "weights" if broken.bad_weights else "forward" if broken.bad_outputs else "loss"
        return Origin(
            kind,
            broken.step,
            layer=broken.bad_outputs[0] if kind == "forward" else None,
            finite_step=None if before is None else before.step,
            grown=grown,
        )

    def _grown(self):
        """Whether the last finite numbers are far larger than some steps before, or huge."""
        steps = [*list(self._finite)[-1:], *([] if self._broken is None else [self._broken])]
        losses = [abs(seen.loss) for seen in steps if seen.loss is not None]
        sizes = [size for seen in steps for size in seen.sizes.values()]
        if any(HUGE < size < np.inf for size in losses + sizes):
            return True
        if not self._finite:
            return False
        first = self._finite[0]
        start = abs(first.loss) if first.loss is not None else np.inf
        return (
            _has_grown(losses, max(start, 1e-3), GROWN_LOSS)
            or any(
                _has_grown([seen.weights.get(path, 0.0) for seen in steps], norm, GROWN_WEIGHTS)
                for path, norm in first.weights.items()
                if norm > 0.1  # a bias starts with 0, and then any size is a growth
            )
            or any(
                _has_grown([seen.sizes.get(name, 0.0) for seen in steps], size, GROWN_OUTPUTS)
                for name, size in first.sizes.items()
                if size > 1e-2
            )
        )


def _has_grown(values, start, factor):
    return any(factor * start < value < np.inf for value in values)


def _seen(record):
    seen = _Seen(record.step, record.logs.get("loss"))
    start = 0
    for column in record.columns:
        value = float(record.values[start]) if column.width == 1 else 0.0
        start += column.width
        if column.section == "activations" and column.statistic == "non_finite_count":
            if value > 0:
                seen.bad_outputs.append(column.layer or column.name)
        elif column.section == "activations" and column.statistic in ("minimum", "maximum"):
            seen.sizes[column.name] = max(abs(value), seen.sizes.get(column.name, 0.0))
        elif column.section == "gradients" and column.statistic == "non_finite_count":
            seen.gradients[column.name] = value == 0
        elif column.section == "weights":
            seen.weights[column.name] = value
    return seen
