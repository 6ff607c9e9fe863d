"""The observed step on TensorFlow and torch, whose steps change variables in place."""

import keras
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.instrumentation.model_optimizers import loss_scale, optimizers_of
from keras_dlnotes.instrumentation.observed_step import (
    ObservedStep,
    examples_of,
)


class StatefulStep(ObservedStep):
    """Observes `train_step(data)`, which returns logs and updates variables in place."""

    def train_step(self, data):
        """Takes one step and returns logs with the row as one more entry."""
        with self._recording() as tape:
            logs = self._train_step(data)
            tape.add_part(*tape.pack_activations(reference=()))
            observed = self._with_row(logs, tape)
        if self._repeat is None:
            return observed
        return self._with_entries_of(observed, self._repeat(logs, data))

    def _make_function(self, arguments):
        if keras.backend.backend() == "torch":
            # torch.compile cannot see tensors leave through a tape; an eager step now and then
            # costs less than the graph breaks would.
            jit_compile = internals.jit_compile.name_on(self.model)
            with patched([(self.model, jit_compile, False)]):
                return super()._make_function(arguments)
        return super()._make_function(arguments)

    def _replacements(self):
        yield from super()._replacements()
        for optimizer in optimizers_of(self.model):
            yield optimizer, "apply", self._observed_apply(optimizer)

        if self.examples and keras.backend.backend() == "torch":  # TensorFlow's are symbolic
            yield self.model, "compute_loss", self._observed_compute_loss()

    def _observed_compute_loss(self):
        original = self.model.compute_loss

        def compute_loss(*args, **kwargs):
            given = dict(zip(("x", "y", "y_pred"), args, strict=False)) | kwargs
            self.attempt = examples_of(
                self.model,
                self.examples,
                given.get("x"),
                given.get("y"),
                y_pred=given.get("y_pred"),
            )
            return original(*args, **kwargs)

        return compute_loss

    def _observed_apply(self, optimizer):
        original = optimizer.apply

        def apply(grads, trainable_variables=None):
            tape = self._tape
            if tape is None or not grads:
                return original(grads, trainable_variables)
            grads = list(grads)
            variables = list(trainable_variables or internals.optimized_variables.of(optimizer))
            # Read before the update: the update changes the scale and, in place, the weights.
            scale = loss_scale(optimizer)
            if isinstance(scale, keras.Variable):
                scale = ops.copy(scale.value)
            before = [active.reductions.copy_of(variable) for variable in variables]
            result = original(grads, variables)
            after = [ops.convert_to_tensor(variable.value) for variable in variables]
            tape.pack_update(grads, variables, before, after, scale, optimizer)
            return result

        return apply
