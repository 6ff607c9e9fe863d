"""Observed steps inside one TensorFlow execution of many steps."""

import contextlib

import keras
from keras import ops

from keras_dlnotes.instrumentation.observed_step import EXAMPLES, ROW, make_train_function
from keras_dlnotes.instrumentation.patch import patched


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
        for ring in self._rings.values():
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
        logs.pop(EXAMPLES, None)  # their number is not known in the graph, so no ring holds them
        key = next((name for name in logs if name.startswith(ROW)), None)
        if key is not None:
            row = logs.pop(key)
            if key not in self._rings:
                # Made while the graph is traced, when the row's length is known at last.
                self._rings[key] = _Ring(self._capacity, row.shape[0])
            self._rings[key].add(self._step, row)
        return logs

    def take_rows(self):
        """Rows recorded since the last call, oldest first: `(step, columns, row)`."""
        layouts = {key: columns for _, o in self._variants for key, columns in o.layouts.items()}
        rows = [
            (int(step), layouts[key], row)
            for key, ring in self._rings.items()
            for step, row in ring.read()
            if step > self._taken
        ]
        rows.sort(key=lambda entry: entry[0])
        if rows:
            self._taken = rows[-1][0]
        self._steps_since_taken = 0
        return rows


class _Ring:
    """The last `capacity` rows and the numbers of their steps, in variables."""

    def __init__(self, capacity, width):
        self._rows = keras.Variable(
            lambda shape, dtype: ops.zeros(shape, dtype), shape=(capacity, width), trainable=False
        )
        self._steps = keras.Variable(
            lambda shape, dtype: -ops.ones(shape, dtype),
            shape=(capacity,),
            dtype="int32",
            trainable=False,
        )
        self._count = keras.Variable(0, dtype="int32", trainable=False)

    def add(self, step, row):
        place = ops.mod(self._count.value, self._rows.shape[0])
        self._rows.assign(ops.slice_update(self._rows.value, (place, 0), row[None]))
        self._steps.assign(ops.slice_update(self._steps.value, (place,), step.value[None]))
        self._count.assign_add(1)

    def clear(self):
        self._steps.assign(ops.full_like(self._steps.value, -1))

    def read(self):
        return zip(
            ops.convert_to_numpy(self._steps.value),
            ops.convert_to_numpy(self._rows.value),
            strict=True,
        )
