"""What a search optimizes: a number in the logs of `fit`, and which of two is better."""

import math
from collections.abc import Iterable

from keras_dlnotes.stopping.criterion import Mode

_LESS = ("loss", "error", "mae", "mse", "mape", "msle", "rmse", "entropy", "divergence", "hinge")
_MORE = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "io_u", "r2", "similarity")


class SearchObjective:
    """The name of an entry in the logs, and its direction.

    Args:
        name: such as `"val_loss"`.
        mode: `"min"`, `"max"`, or `"auto"` to read it off the name.

    Raises:
        ValueError: If the mode is none of these, or the name does not tell.
    """

    def __init__(self, name: str, mode: Mode = "auto") -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(
                "Expected the name of an entry in the logs of fit as `objective`, such as "
                f"'val_loss'. Received {name!r}."
            )
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"Expected mode 'auto', 'min' or 'max'. Received {mode!r}.")
        self.name = name
        self.mode = _mode_of(name) if mode == "auto" else mode

    @property
    def worst(self) -> float:
        """A number that every other is better than."""
        return math.inf if self.mode == "min" else -math.inf

    def better(self, value: float, reference: float) -> bool:
        """Whether `value` is better than `reference`."""
        return value < reference if self.mode == "min" else value > reference

    def best(self, values: Iterable[float]) -> float:
        """The best of some values; `worst` of none."""
        return (min if self.mode == "min" else max)(values, default=self.worst)


def _mode_of(name: str) -> Mode:
    less = any(word in name for word in _LESS)
    more = any(word in name for word in _MORE)
    if less == more:
        raise ValueError(
            f"Expected mode='min' or mode='max' for the objective {name!r}, because its name does "
            "not say which is better. Received mode='auto'."
        )
    return "min" if less else "max"
