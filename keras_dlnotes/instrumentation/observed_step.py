"""A twin of Keras's train function that measures the very step it takes."""

import contextlib
import threading
import warnings

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation.step_tape import StepTape
from keras_dlnotes.instrumentation.watched_layers import VariableNames

# Prefix of the log entry in which an observed step hands out its row.
ROW = "keras_dlnotes_row_"
# The log entry in which it hands out some examples of its batch and their predictions.
EXAMPLES = "keras_dlnotes_examples"


class ObservedStep:
    """Builds and runs an observed twin of `model.train_function`.

    While it is traced or run, and at no other time, the `call` of each watched layer, the
    optimizers' update and `train_step` are replaced by versions that do the same and leave a copy
    of the tensors on a `StepTape`. The row of statistics leaves the step as one more entry of the
    logs, whose name says which layout (which trace) it has.

    Args:
        model: a compiled Keras model.
        watched: list of `WatchedLayer`.
        histograms: whether rows carry histograms.
        examples: how many examples of the batch leave the step as well.
    """

    def __init__(self, model, watched, histograms, examples=0):
        self.model = model
        self.watched = watched
        self.histograms = histograms
        self.examples = examples
        self.layouts = {}
        self._names = VariableNames(model)
        self._known = {}
        # Examples of the batch in work, to be looked at if its loss raises; seldom known.
        self.attempt = None
        self._local = threading.local()  # tf.distribute traces one replica a thread
        self._function = None
        # What is observed of a step that repeats itself is its first round, see `FullBatch`.
        self._train_step = getattr(model.train_step, "first", model.train_step)
        self._repeat = getattr(model.train_step, "repeat", None)

    def __call__(self, *arguments):
        """Takes one step; arguments and result are those of `model.train_function`."""
        with self.observing(), patched([(self.model, "train_step", self.train_step)]):
            if self._function is None:
                self._function = self._make_function(arguments)
            result = self._function(*arguments)
            self.attempt = None
            return result

    @contextlib.contextmanager
    def observing(self):
        """The model's layers and optimizers with their methods replaced."""
        with patched(self._replacements()):
            yield

    def _make_function(self, arguments):
        return make_train_function(self.model)

    def _replacements(self):
        for watched in self.watched:
            yield watched.layer, "call", self._observed_call(watched)
        if self.examples:
            yield self.model, "compute_metrics", self._observed_compute_metrics()

    def train_step(self, *arguments):
        """Takes one step and returns logs with the row as one more entry."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _recording(self):
        several = active.replicas.count() > 1
        self._local.tape = StepTape(self.histograms, self._names, several, self._known)
        self._local.batch = None
        try:
            yield self._local.tape
        finally:
            self._local.tape = None

    @property
    def _tape(self):
        return getattr(self._local, "tape", None)

    def _observed_call(self, watched):
        original = watched.layer.call

        def call(*args, **kwargs):
            outputs = original(*args, **kwargs)
            if self._tape is not None:
                self._tape.add_outputs(watched, outputs)
            return outputs

        return call

    def _observed_compute_metrics(self):
        # The one place that all backends pass with inputs, targets and predictions, and that on
        # JAX lies outside the differentiated function, whose tensors could not leave it.
        original = self.model.compute_metrics

        def compute_metrics(x, y, y_pred, *args, **kwargs):
            if self._tape is not None:
                weights = args[0] if args else kwargs.get("sample_weight")
                count = -(-self.examples // active.replicas.count())  # of this replica's part
                self._local.batch = examples_of(self.model, count, x, y, weights, y_pred)
            return original(x, y, y_pred, *args, **kwargs)

        return compute_metrics

    def _with_row(self, logs, tape):
        if not is_recordable(logs):
            warnings.warn(
                "The train step is not recorded: expected `train_step` of model "
                f"{self.model.name!r} to return a dict of logs whose keys are names. Received: "
                f"{list(logs) if isinstance(logs, dict) else type(logs).__name__}. "
                "Return `{metric.name: metric.result() for metric in self.metrics}` to have "
                "its activations and gradients recorded.",
                stacklevel=2,
            )
            return logs
        row, batch = tape.row(), self._local.batch
        if active.replicas.count() > 1:
            row = active.replicas.as_log(active.replicas.concatenate(row[None]))
            batch = active.replicas.examples_of_all(batch or {})
        entries = {self._layout_key(tape.columns): row}
        if batch:
            entries[EXAMPLES] = batch
        return {**logs, **entries}

    def _with_entries_of(self, observed, logs):
        """Logs of the last round, with the row of the first in them."""
        return {**observed, **logs} if is_recordable(logs) else logs

    def _layout_key(self, columns):
        # Named by its content: TensorFlow traces a function twice, and both traces are one layout.
        columns = tuple(columns)
        for key, known in self.layouts.items():
            if known == columns:
                return key
        key = f"{ROW}{'with_histograms' if self.histograms else 'plain'}_{len(self.layouts)}"
        self.layouts[key] = columns
        return key


def is_recordable(logs):
    """Whether a row can leave the step as one more entry of what `train_step` returned."""
    return isinstance(logs, dict) and all(isinstance(name, str) for name in logs)


def examples_of(model, count, x, y, weights=None, y_pred=None):
    """The first examples of a batch, as in `StepRecord.examples`."""
    parts = {
        "inputs": x,
        "targets": in_order_of_outputs(model, y),
        "predictions": in_order_of_outputs(model, y_pred),
        "weights": weights,
    }
    # One flat dict: TensorFlow would take a list of tensors for one tensor.
    return {
        f"{name}_{number:03d}": tensor
        for name, part in parts.items()
        for number, tensor in enumerate(first_examples(part, count))
    }


def first_examples(structure, count):
    """The dense tensors of a nested structure, in order, cut to their first `count` examples."""
    return [
        tensor[:count]
        for tensor in keras.tree.flatten(structure)
        # An eager step on JAX is given NumPy's arrays.
        if isinstance(tensor, np.ndarray) or active.arrays.is_dense(tensor)
        if len(tensor.shape)
    ]


def in_order_of_outputs(model, structure):
    """A dict that names the model's outputs as a list in their order; anything else as it is."""
    names = getattr(model, "output_names", None) or ()
    if isinstance(structure, dict) and set(structure) == set(names):
        return [structure[name] for name in names]
    return structure


def make_train_function(model):
    """A new train function of the model as it is now; the one that it has stays in place."""
    before = model.train_function
    try:
        model.make_train_function(force=True)
        return model.train_function
    finally:
        model.train_function = before
