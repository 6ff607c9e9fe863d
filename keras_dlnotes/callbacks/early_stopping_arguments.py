"""Checks of the arguments of `EarlyStopping`."""

from keras_dlnotes.stopping import AllOf, Criterion, Patience


def monitors_and_modes(monitor, mode):
    """The names of the monitored quantities and the direction of each, two lists."""
    monitors = list(monitor) if isinstance(monitor, list | tuple) else [monitor]
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(monitors)
    named = monitors and all(isinstance(name, str) for name in monitors)
    if not named or len(monitors) != len(modes):
        raise ValueError(
            "Expected `monitor` to be a name or a list of names, and `mode` one mode for all or a "
            f"list of as many. Received: monitor={monitor!r}, mode={mode!r}."
        )
    if not all(each in ("auto", "min", "max") for each in modes):
        raise ValueError(f"Expected `mode` to be 'auto', 'min' or 'max'. Received: mode={mode!r}.")
    return monitors, modes


def check(monitors, start_from_epoch, every, validation_data, best_weights_path):
    """Says what is wrong with the arguments of `EarlyStopping` before `fit` starts."""
    if isinstance(start_from_epoch, bool) or not isinstance(start_from_epoch, int):
        raise ValueError(
            "Expected `start_from_epoch` to be a whole number of epochs. "
            f"Received: start_from_epoch={start_from_epoch!r}."
        )
    if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
        raise ValueError(
            "Expected `every` to be a whole number of train steps, 1 or more, or None to check at "
            f"the end of each epoch only. Received: every={every!r}."
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


def choose_criterion(criterion, monitors, modes, patience, min_delta, baseline):
    """The criterion that was given, or what Keras's arguments mean."""
    if criterion is None:
        pairs = zip(monitors, modes, strict=True)
        parts = [Patience(patience, min_delta, baseline, name, mode) for name, mode in pairs]
        return parts[0] if len(parts) == 1 else AllOf(parts)
    beside = (patience, min_delta, baseline) != (0, 0, None)
    if not isinstance(criterion, Criterion) or beside or len(monitors) > 1:
        raise ValueError(
            "Expected `criterion` to be a criterion of kd.stopping, beside one `monitor` and "
            "without `patience`, `min_delta` and `baseline`, which belong into "
            f"kd.stopping.Patience. Received: criterion={criterion!r}, monitor={monitors}, "
            f"patience={patience}, min_delta={min_delta}, baseline={baseline}."
        )
    return criterion
