"""What a callback may do with a model in the middle of `fit`."""

import os
from typing import Any

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation import log_numbers
from keras_dlnotes.summaries.whole_file import whole_file


def evaluate(model: keras.Model, data: Any) -> dict[str, float]:
    """`model.evaluate` without a trace in the running epoch.

    Args:
        model: a model that `fit` is training.
        data: `(x, y)`, `(x, y, sample_weight)` or a data set.

    Returns:
        Dict from the name of each metric that is one number to its value.
    """
    active.train_function.sync_variables(model)
    # Evaluation resets the very metrics in which training adds up its own.
    variables = [variable for metric in model.metrics for variable in metric.variables]
    before = [ops.convert_to_numpy(variable).copy() for variable in variables]
    arrays = isinstance(data, tuple | list)
    x, y, sample_weight = (
        keras.utils.unpack_x_y_sample_weight(data) if arrays else (data, None, None)
    )
    measured = model.evaluate(x, y, sample_weight=sample_weight, verbose=0, return_dict=True)
    measured = log_numbers(measured)
    if active.processes.keeps_logs_apart():  # while the metrics know how many examples there were
        measured = active.processes.mean_logs(model, measured)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    if keras.backend.backend() == "torch":
        model.train()  # layers of torch's own look at the mode that evaluation has switched
    return measured


def save_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Saves a file of weights; a crash in the middle of it leaves the one that was there."""
    with whole_file(path) as unfinished:
        model.save_weights(unfinished, overwrite=True)


def load_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Loads a file of weights and leaves the optimizer, whose state is in it too, as it is."""
    with patched([(model, "optimizer", None)]):
        model.load_weights(path)
