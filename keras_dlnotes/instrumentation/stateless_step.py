"""The observed step on JAX, whose steps take state and return it."""

import contextlib
import warnings

import keras
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation.model_optimizers import loss_scale, optimizers_of
from keras_dlnotes.instrumentation.observed_step import (
    ObservedStep,
    make_train_function,
)

_NON_TRAINABLE = 1  # its place in the trainer's state


class StatelessStep(ObservedStep):
    """Observes `train_step(state, data)`, which returns logs and the new state.

    Activations live inside the traced forward pass; nothing but state comes out of it. They are
    measured at the end of the model's `call` and carried out in a variable that belongs to the
    model's non-trainable variables during the call of the train function, and at no other time.

    Args:
        model: a compiled Keras model.
        watched: list of `WatchedLayer`.
        histograms: whether rows carry histograms.
        examples: how many examples of the batch leave the step as well.
    """

    def __init__(self, model, watched, histograms, examples=0):
        super().__init__(model, watched, histograms, examples)
        # How often each layer is called is known only once the step has been traced.
        width = 2 * len(watched) * (40 if histograms else 8) + 512
        self._carrier = keras.Variable(
            lambda shape, dtype: ops.zeros(shape, dtype),
            shape=(width,),
            dtype="float32",
            trainable=False,
            name="activation_statistics",
            layout=_whole_on_each_device(),
        )
        self._carried = self._carrier.value
        # Keras walks through all layers to list the variables, which takes as long as a short step.
        self._places: dict[int, int] = {}

    def __call__(self, state, iterator):
        """Takes one step; arguments and result are those of `model.train_function`."""
        with self._carrier_attached():
            trainable, non_trainable, *others = state
            count = len(non_trainable)
            if count not in self._places:
                self._places[count] = self._carrier_place()
            place = self._places[count]
            extended = [*non_trainable[:place], self._carried, *non_trainable[place:]]
            logs, state = super().__call__((trainable, extended, *others), iterator)
            trainable, extended, *others = state
            # Buffers given to the step are gone (donated), so its result is what goes in next.
            self._carried = extended[place]
            return logs, (trainable, [*extended[:place], *extended[place + 1 :]], *others)

    def _make_function(self, arguments):
        return single_steps(self.model, arguments)

    @contextlib.contextmanager
    def _carrier_attached(self):
        variables = internals.non_trainable_variables.of(self.model)
        variables.append(self._carrier)
        try:
            yield
        finally:
            # By identity: `==` of Keras variables compares values, which are away during `fit`.
            places = [i for i, variable in enumerate(variables) if variable is self._carrier]
            del variables[places[0]]

    def _carrier_place(self):
        variables = self.model.non_trainable_variables
        return next(i for i, variable in enumerate(variables) if variable is self._carrier)

    def train_step(self, state, data):
        """Takes one step and returns logs with the row as one more entry, and the new state."""
        with self._recording() as tape:
            self._local.carried_columns = []
            logs, after = self._train_step(state, data)
            columns = self._local.carried_columns
            if columns:
                width = sum(column.width for column in columns)
                carried = after[_NON_TRAINABLE][self._carrier_place()]
                tape.add_part(carried[:width], columns)
            observed = self._with_row(logs, tape)
        if self._repeat is None:
            return observed, after
        logs, after = self._repeat((logs, after), state, data)
        return self._with_entries_of(observed, logs), after

    def _replacements(self):
        yield from super()._replacements()
        yield self.model, "call", self._observed_model_call()
        for optimizer in optimizers_of(self.model):
            yield optimizer, "stateless_apply", self._observed_stateless_apply(optimizer)

    def _observed_model_call(self):
        original = self.model.call

        def call(*args, **kwargs):
            outputs = original(*args, **kwargs)
            if self._tape is not None:
                vector, columns = self._tape.pack_activations((args, kwargs, outputs))
                if vector is not None:
                    self._carry(vector, columns)
            return outputs

        return call

    def _carry(self, vector, columns):
        start = sum(column.width for column in self._local.carried_columns)
        if start + vector.shape[0] > self._carrier.shape[0]:
            warnings.warn(
                "Some activations are not recorded: the model calls its layers far more often "
                f"than it has layers ({len(columns)} statistics in one call). Name fewer layers "
                "in the `layers` argument.",
                stacklevel=2,
            )
            return
        self._carrier.assign(ops.slice_update(self._carrier.value, (start,), vector))
        self._local.carried_columns += columns

    def _observed_stateless_apply(self, optimizer):
        original = optimizer.stateless_apply

        def stateless_apply(optimizer_variables, grads, trainable_variables):
            updated = original(optimizer_variables, grads, trainable_variables)
            tape = self._tape
            if tape is not None:
                scale = loss_scale(optimizer)
                if isinstance(scale, keras.Variable):
                    places = [v is scale for v in optimizer.variables]
                    scale = optimizer_variables[places.index(True)]
                variables = internals.optimized_variables.of(optimizer)
                tape.pack_update(grads, variables, trainable_variables, updated[0], scale)
            return updated

        return stateless_apply


def _whole_on_each_device():
    """Layout of a vector under the running `keras.distribution`; None without one."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    return keras.distribution.TensorLayout([None], distribution.device_mesh)


def single_steps(model, arguments):
    """A train function that takes one step however many `model` takes in one execution.

    Args:
        model: a compiled model inside `fit`.
        arguments: those of `model.train_function`.
    """
    # Under a `keras.distribution` Keras asks the variables how their values are sharded.
    with (
        active.train_function.readable_variables(model, arguments),
        patched([(model, "steps_per_execution", 1)]),
    ):
        return make_train_function(model)
