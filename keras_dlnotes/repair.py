"""Finds out what is wrong with a run, and repairs a copy of it."""

from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks.diagnosis import silent_diagnosis
from keras_dlnotes.diagnosis import CannotCopyError, leaves_of, sample_of
from keras_dlnotes.diagnosis.data_sample import DataSample
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.remedies import Examples, Repair, ShortRuns, search

_STEPS = 300  # of a short run, at most
_MOST_TIMES = 8  # of that, for a run as long as the user's
_BATCH_SIZE = 32
_MOST_EXAMPLES = 8192


def repair(
    model: keras.Model,
    x: Any,
    y: Any = None,
    validation_data: Any = None,
    budget: int = 10_000,
    seeds: int = 3,
    epochs: int | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    class_weight: dict[int, float] | None = None,
    verbose: bool = True,
) -> Repair:
    r"""Repairs a copy of a model that does not train: tries remedies, and keeps those that help.

    Use it where a network does not learn, or where `Diagnosis` has found something. Pass it what
    you pass to `fit`. Short runs of copies do the training: the model, its weights, its optimizer
    and the data stay as they are. What is found wrong is repaired in its order, a remedy is kept
    where it helps, and the gain is measured again with other seeds.

    A run is measured by its skill on examples that it was not trained on,
    \(R = 1 - \sum \|t - p\|^2 / \sum \|t - \bar t\|^2\) of the predictions \(p\) for the targets
    \(t\), or the same of the accuracy where that is larger: 0 is the best constant, 1 is perfect. A
    remedy is kept if the skill rises by 0.02, or if a finding that is sure goes away and the skill
    does not fall.

    Runs start from fresh weights, since a failed run has spoilt its own. Frozen layers keep theirs,
    and so do weights that were loaded into a model that has not been trained yet.

    Args:
        model: a compiled Keras model with one output.
        x: inputs: an array (NumPy, pandas, a tensor), or a list or dict of arrays; or a dataset of
            batches `(x, y)`: a `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`,
            a generator (which loses the batches that are taken). At most 8,192 examples are used.
        y: targets: an array; None for a dataset.
        validation_data: a pair `(x, y)` of arrays, on which the skill is measured; by default a
            quarter of the examples is held out for that (none of fewer than 40).
        budget: train steps that all short runs together may take. One takes at most 300, but where
            something is found in it and you train longer, one run takes up to 2,400.
        seeds: with how many other seeds the gain is measured at the end.
        epochs: how many you train; a short run is no longer. By default it takes 300 steps.
        batch_size: how many examples you train on at once; 32 by default, or the dataset's.
        shuffle: whether you shuffle.
        class_weight: as in `fit`.
        verbose: whether to print a line for each run.

    Returns:
        A `Repair`, which prints as a report: the repaired model, what was changed in sentences and
        as code, the gain with its spread over the seeds, and what was not repaired and why.

    Raises:
        ValueError: if the model is not compiled, has several outputs or cannot be copied, or x and
            y are no arrays of one length, or an argument is out of range.

    Example:
    ```python
    import keras, numpy as np
    import keras_dlnotes as kd

    x = np.random.normal(size=(256, 4)) * 1000
    y = (x[:, 0] > 0).astype(int)
    model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")])
    model.compile("sgd", "binary_crossentropy")
    repaired = kd.repair(model, x, y, epochs=20)
    print(repaired)
    repaired.model.fit(*repaired.data(x, y), **repaired.fit)
    ```

    Reference: Zhang, Zhai, Ma and Shen, "AUTOTRAINER: An Automatic DNN Training Problem Detection
    and Repair System", 2021, for remedies tried one by one.
    """
    _check(model, budget=budget, seeds=seeds, epochs=epochs, batch_size=batch_size)
    sample = sample_of(x, y, most=_MOST_EXAMPLES)
    if not hasattr(sample.targets, "shape"):
        raise ValueError(
            "`repair` takes the targets of one output. Expected one array. Received: "
            f"{len(keras.tree.flatten(sample.targets))} arrays."
        )
    leaves = leaves_of(model, sample.inputs)
    size = batch_size or sample.batch_size or _BATCH_SIZE
    steps, times = _STEPS, 1
    if epochs is not None:
        whole = epochs * -(-sample.examples // size)
        steps = max(1, min(steps, whole))
        times = min(_MOST_TIMES, -(-whole // steps))
    if validation_data is None:
        examples = Examples.split(leaves, sample.targets)
    else:
        held_out = _sample_of_pair(validation_data)
        measured = (leaves_of(model, held_out.inputs), held_out.targets)
        examples = Examples(leaves, sample.targets, measured)
    runs = ShortRuns(
        model,
        examples,
        silent_diagnosis,
        steps,
        size,
        shuffle=shuffle,
        watches=validation_data is not None,
        options={} if class_weight is None else {"class_weight": class_weight},
        epochs=epochs,
    )
    try:
        runs.build({})
    except CannotCopyError:
        raise
    except Exception:  # what the model raises on the data is a finding
        pass
    return search(runs, budget, seeds, say=print if verbose else lambda text: None, times=times)


def _sample_of_pair(validation_data: Any) -> DataSample:
    if isinstance(validation_data, tuple | list) and len(validation_data) == 2:
        x, y = validation_data
        return sample_of(x, y, most=_MOST_EXAMPLES)
    raise ValueError(
        "Expected `validation_data` as a pair `(x, y)` of arrays. Received: an object of type "
        f"{type(validation_data).__name__}."
    )


def _check(model: keras.Model, budget: int, **numbers: int | None) -> None:
    whole_number("budget", budget, 1)
    for name, value in numbers.items():
        if value is not None:
            whole_number(name, value, 0 if name == "seeds" else 1)
    if not getattr(model, "compiled", False):
        raise ValueError(
            "`repair` trains copies as the model is compiled. Expected a compiled model. Received: "
            f"{model.name!r}, which is not. Call `model.compile(...)` first."
        )
    outputs = len(getattr(model, "outputs", None) or [None])
    if outputs > 1:
        raise ValueError(
            f"`repair` takes models with one output. Received: {model.name!r} with {outputs}. Pass "
            "kd.callbacks.Diagnosis() to `fit` to be told what is wrong."
        )
    if active.processes.keeps_logs_apart():
        raise ValueError(
            "`repair` trains copies in one process only. Expected a program of one process. "
            "Received: one of several. Run it in a program of its own."
        )
