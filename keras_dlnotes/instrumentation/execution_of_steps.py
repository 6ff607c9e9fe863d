"""Observed steps inside one TensorFlow execution of many steps."""

import contextlib

import keras
from keras import ops

from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation.observed_step import (
    EXAMPLES,
    ROW,
    is_recordable,
    make_train_function,
)

_COUNT = "_count"  # suffix of the name of how many examples there are
_KEPT_EXAMPLES = 8  # steps whose examples wait on the device: they may be images


class ExecutionOfSteps:
    """Observes the due steps among the many that one TensorFlow execution takes.

    With `steps_per_execution > 1` the steps run in a loop inside the graph. So the choice between
    Keras's own step and its observed twins is made there, and rows wait in a ring of variables.

    Args:
        model: a compiled Keras model.
        variants: list of `(due, observed step)`, where `due` tells for a step's number (a tensor)
            whether that twin takes the step. The first that is due takes it.
        first_step: number of the first step.
    """

    def __init__(self, model, variants, first_step):
        self._model = model
        self._variants = variants
        self._capacity = 64 + 2 * model.steps_per_execution
        self._steps_since_taken = 0
        self._taken = first_step - 1
        self._step = keras.Variable(first_step, dtype="int32", trainable=False, name="step")
        self._rings: dict[str, _Ring] = {}
        self._examples: dict[str, _Ring] = {}
        self._train_step = model.train_step
        self._function = None

    def __call__(self, iterator):
        """Takes one execution; argument and result are those of `model.train_function`."""
        with contextlib.ExitStack() as stack:
            for _, observed in self._variants:
                stack.enter_context(observed.observing())
            stack.enter_context(patched([(self._model, "train_step", self.train_step)]))
            if self._function is None:
                self._function = make_train_function(self._model)
            self._steps_since_taken += self._model.steps_per_execution
            return self._function(iterator)

    def restart(self, first_step):
        """Goes on at another step's number; rows that were not taken are dropped."""
        self._step.assign(first_step)
        self._taken = first_step - 1
        self._steps_since_taken = 0
        for ring in (*self._rings.values(), *self._examples.values()):
            ring.clear()

    @property
    def is_full(self):
        """Whether the next execution could overwrite a row that has not been taken."""
        return self._steps_since_taken + self._model.steps_per_execution > self._capacity

    @property
    def next_step(self):
        """Number of the step that comes next."""
        return int(ops.convert_to_numpy(self._step.value))

    def train_step(self, data):
        """Takes one step: the first variant's that is due, else Keras's own."""

        def take(variants):
            if not variants:
                return self._train_step(data)
            (due, observed), *others = variants
            return ops.cond(
                due(self._step.value),
                lambda: self._record(observed.train_step(data)),
                lambda: take(others),
            )

        logs = take(self._variants)
        self._step.assign_add(1)
        return logs

    def _record(self, logs):
        if not is_recordable(logs):
            return logs
        self._keep_examples(logs.pop(EXAMPLES, {}))
        key = next((name for name in logs if name.startswith(ROW)), None)
        if key is not None:
            row = logs.pop(key)
            if key not in self._rings:
                # Made while the graph is traced, when the row's length is known at last.
                self._rings[key] = _Ring(self._capacity, row.shape, row.dtype)
            self._rings[key].add(self._step, row)
        return logs

    def _keep_examples(self, examples):
        """Keeps them where their shapes are known, filled up to a full number of examples."""
        count = max((observed.examples for _, observed in self._variants), default=0)
        if any(None in tensor.shape[1:] for tensor in examples.values()):
            return
        for name, tensor in examples.items():
            if keras.backend.standardize_dtype(tensor.dtype) == "string":
                continue
            full = ops.zeros((count, *tensor.shape[1:]), tensor.dtype)
            full = ops.slice_update(full, (0,) * len(tensor.shape), tensor)
            for ring, value in ((name, full), (name + _COUNT, ops.shape(tensor)[0])):
                value = ops.convert_to_tensor(value)
                if ring not in self._examples:
                    self._examples[ring] = _Ring(_KEPT_EXAMPLES, value.shape, value.dtype)
                self._examples[ring].add(self._step, value)

    def take_rows(self):
        """Rows recorded since the last call, oldest first: `(step, columns, row, examples)`.

        Only the last few rows come with examples; the others' are None.
        """
        layouts = {key: columns for _, o in self._variants for key, columns in o.layouts.items()}
        examples = self._take_examples()
        rows = [
            (step, layouts[key], row, examples.get(step))
            for key, ring in self._rings.items()
            for step, row in ring.read()
            if step > self._taken
        ]
        rows.sort(key=lambda entry: entry[0])
        if rows:
            self._taken = rows[-1][0]
        self._steps_since_taken = 0
        return rows

    def _take_examples(self):
        """Dict from a step to the dict of its examples."""
        read = {name: dict(ring.read()) for name, ring in self._examples.items()}
        found: dict[int, dict] = {}
        for name, by_step in read.items():
            if not name.endswith(_COUNT):
                for step, full in by_step.items():
                    found.setdefault(step, {})[name] = full[: int(read[name + _COUNT][step])]
        return found


class _Ring:
    """The last `capacity` values and the numbers of their steps, in variables."""

    def __init__(self, capacity, shape, dtype):
        dtype = keras.backend.standardize_dtype(dtype)
        self._values = keras.Variable(
            lambda shape, dtype: ops.zeros(shape, dtype),
            shape=(capacity, *shape),
            dtype=dtype,
            trainable=False,
        )
        self._steps = keras.Variable(
            lambda shape, dtype: -ops.ones(shape, dtype),
            shape=(capacity,),
            dtype="int32",
            trainable=False,
        )
        self._count = keras.Variable(0, dtype="int32", trainable=False)

    def add(self, step, value):
        place = ops.mod(self._count.value, self._values.shape[0])
        start = (place, *(0,) * len(value.shape))
        self._values.assign(ops.slice_update(self._values.value, start, value[None]))
        self._steps.assign(ops.slice_update(self._steps.value, (place,), step.value[None]))
        self._count.assign_add(1)

    def clear(self):
        self._steps.assign(ops.full_like(self._steps.value, -1))

    def read(self):
        steps = ops.convert_to_numpy(self._steps.value).tolist()
        values = ops.convert_to_numpy(self._values.value)
        return [(step, value) for step, value in zip(steps, values, strict=True) if step >= 0]
