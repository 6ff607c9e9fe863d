"""Checks of the arguments of `EarlyStopping`."""

from collections.abc import Sequence
from typing import Any

from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.stopping import AllOf, Criterion, Patience
from keras_dlnotes.stopping.criterion import Mode, check_criterion


def monitors_and_modes(
    monitor: str | Sequence[str], mode: Mode | Sequence[Mode]
) -> tuple[list[str], list[Mode]]:
    """The names of the monitored quantities and the direction of each, two lists."""
    monitors: list[Any] = list(monitor) if isinstance(monitor, list | tuple) else [monitor]
    modes: list[Any] = list(mode) if isinstance(mode, list | tuple) else [mode] * len(monitors)
    named = monitors and all(isinstance(name, str) for name in monitors)
    if not named or len(monitors) != len(modes):
        raise ValueError(
            "Expected `monitor` to be a name or a list of names, and `mode` one mode for all or a "
            f"list of as many. Received: monitor={monitor!r}, mode={mode!r}."
        )
    if not all(each in ("auto", "min", "max") for each in modes):
        raise ValueError(f"Expected `mode` to be 'auto', 'min' or 'max'. Received: mode={mode!r}.")
    return monitors, modes


def steps_between_checks(every: Any) -> int | None:
    """The argument `every` as Python's own number; None for the ends of epochs only."""
    if every is None:
        return None
    advice = "Pass None to check at the end of each epoch only."
    return whole_number("every", every, unit="train steps", advice=advice)


def check(
    monitors: list[str],
    resume: Any,
    every: int | None,
    validation_data: Any,
    best_weights_path: Any,
) -> None:
    """Says what is wrong with the arguments of `EarlyStopping` before `fit` starts."""
    if resume not in ("auto", True, False):
        raise ValueError(
            "Expected `resume` to be 'auto', True or False: whether a `fit` goes on with what was "
            f"best in the last one. Received: resume={resume!r}."
        )
    if every is not None and validation_data is None and monitors[0].startswith("val_"):
        raise ValueError(
            f"Expected `validation_data` beside `every`, to measure {monitors[0]!r} in the middle "
            "of an epoch. Received: validation_data=None. Pass it here as well as to `fit`, or "
            "monitor a quantity of training, such as 'loss'."
        )
    if best_weights_path is not None and not str(best_weights_path).endswith(".weights.h5"):
        raise ValueError(
            "Expected `best_weights_path` to be a path that ends in '.weights.h5', as Keras "
            f"demands. Received: best_weights_path={best_weights_path!r}."
        )


def choose_criterion(
    criterion: Criterion | None,
    monitors: list[str],
    modes: list[Mode],
    patience: float,
    min_delta: float,
    baseline: float | None,
) -> Criterion:
    """The criterion that was given, or what Keras's arguments mean."""
    if criterion is None:
        pairs = zip(monitors, modes, strict=True)
        parts = [Patience(patience, min_delta, baseline, name, mode) for name, mode in pairs]
        return parts[0] if len(parts) == 1 else AllOf(parts)
    check_criterion("criterion", criterion)
    if (patience, min_delta, baseline) != (0, 0, None) or len(monitors) > 1:
        raise ValueError(
            "Expected `criterion` beside one `monitor` and without `patience`, `min_delta` and "
            "`baseline`, which belong into kd.stopping.Patience. Received: criterion="
            f"{criterion!r}, monitor={monitors}, patience={patience}, min_delta={min_delta}, "
            f"baseline={baseline}."
        )
    return criterion
