"""What every method with trial points shares: which point the model holds, and what is known."""

import warnings
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import descent
from keras_dlnotes.optimizers import deterministic_objective, flat_weights
from keras_dlnotes.optimizers.carried import Carried

xp = active.arrays


# Phases in which there is a trial point that has not been evaluated.
_ON_THE_WAY = (descent.VERIFY, descent.SEARCH, descent.SETTLE, descent.EXAMINE)
_COUNTS = ("memory_size", "max_search_evaluations", "max_weights", "max_products")


class AcceptedPoint:
    """Mixed into an optimizer that evaluates trial points and accepts some of them.

    It finds in the optimizer: `_control`, a vector that starts with the phase and the phase
    suspended by `RESUME`; `_read_control`, which names its numbers; `_accepted_point` and
    `_trial_point`, vectors; `_carried`, what one step hands from `scale_loss` to `apply`.
    """

    # What `status` says where no lower loss could be found.
    failure = descent.NAMES[descent.FAILED]
    # The evaluations that there were when the last `fit` ended.
    _evaluations_before: int | None = None

    built: bool
    variables: Any
    _dtype: str
    _control: Any
    _accepted_point: Any
    _trial_point: Any
    _carried: Carried
    _trainable_variables: Any

    def _read_control(self, vector) -> Any:
        raise NotImplementedError

    def build_state(self):
        """Create the variables that hold what the method remembers."""
        raise NotImplementedError

    def build(self, variables):
        """Create the optimizer's variables for these weights."""
        variables = list(variables)
        with active.replicas.scope_of(variables):
            super().build(variables)  # type: ignore[misc]
            deterministic_objective.check_variables(type(self).__name__, variables)
            self._size = flat_weights.size(self._weights)
            self._dtype = deterministic_objective.working_dtype(self._weights)
            self.build_state()

    @property
    def has_unfinished_evaluation(self):
        """Whether an evaluation is spread over batches and not complete yet."""
        return False

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make an optimizer of what `get_config` returned.

        Earlier versions took and saved counts such as 1e4, which the constructor refuses now.
        """
        counts = {
            name: int(config[name])
            for name in _COUNTS
            if isinstance(config.get(name), float) and config[name].is_integer()
        }
        return super().from_config({**config, **counts}, custom_objects)  # type: ignore[misc]

    def load_own_variables(self, store):
        """Set the optimizer's state; files of earlier versions hold fewer of the control's numbers.

        The newest are its last, and 0 before they are known.
        """
        values = {key: np.asarray(store[key]) for key in list(store.keys())}
        for index, variable in enumerate(self.variables):
            if self.built and variable is self._control and str(index) in values:
                known = values[str(index)]
                values[str(index)] = np.pad(known, (0, max(0, variable.shape[0] - len(known))))
        super().load_own_variables(values)  # type: ignore[misc]

    def scale_loss(self, loss):
        """Take note of the loss; `apply` needs it beside the gradient of what is returned."""
        self._carried.loss = xp.detached(loss)
        return super().scale_loss(loss)  # type: ignore[misc]

    def count_examples(self, count):
        """Say how many examples there are in this replica's part of the batch.

        It is the part's weight where several replicas train the weights together; without it all
        parts count the same, as they do in Keras. In `fit`, `SecondDerivatives` does it, and
        `FullBatch` what corresponds to it. Call it in the replica's own step, before `scale_loss`.
        On TensorFlow the loss has to be that of Keras's loss objects there: the mean over the part
        divided by the number of replicas.
        """
        self._carried.examples = count

    def _carried_loss(self):
        loss = self._carried.take("loss")
        if loss is None or not xp.is_usable(loss):
            return None
        # Keras's mean over no examples is a tensor without numbers. (Some ranks are unknown.)
        if getattr(loss.shape, "rank", 0) is not None and 0 in loss.shape:
            return xp.tensor(float("nan"), self._dtype)
        return xp.reshape(xp.cast(loss, self._dtype), ())

    def _of_whole_batch(self, gradient, *others):
        """The means over the whole batch, of which each replica knows those of its own part."""
        examples = self._carried.take("examples")
        replicas = active.replicas.count()
        if replicas == 1:
            return gradient, *others
        active.replicas.check_agreement([*self._weights, self._control], gradient, examples)
        weight = xp.tensor(1.0 if examples is None else examples, self._dtype)
        return self._means([gradient, *others], weight)

    def gradients_of_whole_batch(self, gradients):
        """What gradients of this replica's part of the last batch are for the whole batch."""
        gradients = [xp.cast(gradient, self._dtype) for gradient in gradients]
        return self._means(gradients, self._carried.part_weight)

    def _means(self, parts, weight):
        self._carried.part_weight = weight
        *sums, total = active.replicas.sums([*(self._weighted(p, weight) for p in parts), weight])
        return [part / total for part in sums]

    def _weighted(self, part, weight):
        """The mean over this replica's examples times their weight."""
        if active.replicas.LOSS_IS_DIVIDED:
            part = part * active.replicas.count()
        # Without examples the mean may be NaN.
        return xp.where(weight > 0.0, part * weight, xp.zeros_like(part))

    @property
    def _weights(self):
        return flat_weights.weights(self._trainable_variables)

    def _flat_gradient(self, gradients, variables):
        index = self._get_variable_index  # type: ignore[attr-defined]
        known = dict(zip(map(index, variables), gradients, strict=True))
        every = [(known.get(index(v)), v) for v in self._weights]
        # The loss does not depend on a variable without a gradient.
        return flat_weights.join(
            [keras.ops.zeros(v.shape, v.dtype) if g is None else g for g, v in every], self._dtype
        )

    def _write(self, flat):
        return flat_weights.write(flat, self._weights, self._dtype)

    def finalize_variable_values(self, var_list):
        """Put the accepted point into the weights: what `fit` leaves is never a trial point.

        The next `fit` evaluates it first. Where that was not due anyway, it is the one evaluation
        that two calls of `fit` take more than one; it tells whether weights and loss are the same.
        """
        # JAX's trainer takes the values out of the variables while it runs, and calls this even if
        # a step has raised before they are back: nothing to do then, and an error not to hide.
        if not self.built or getattr(self._control, "_value", 0) is None:
            return
        known = self._read_control(keras.ops.convert_to_numpy(self._control))
        phase, evaluations = int(known.phase), int(known.evaluations)
        if phase in deterministic_objective.WARNINGS:
            warnings.warn(deterministic_objective.WARNINGS[phase], RuntimeWarning, stacklevel=2)
        if phase in _ON_THE_WAY and evaluations - 1 == self._evaluations_before:
            warnings.warn(
                f"{type(self).__name__} took no step: the first evaluation of each `fit` is at the "
                "weights that the last one left. Expected at least 2 evaluations (epochs of the "
                "full batch) a `fit`. Received: 1. Call fit(epochs=...) once instead of in a loop.",
                RuntimeWarning,
                stacklevel=2,
            )
        self._evaluations_before = evaluations
        if phase in (descent.START, descent.RESUME, descent.REPEAT):
            return
        active.replicas.check_copies(self._accepted_point)
        self._write(self._accepted_point.value)
        control = xp.unstack(self._control.value, self._control.shape[0])
        control[:2] = [control[0] * 0.0 + float(descent.RESUME), control[0]]
        self._control.assign(xp.stack(control))

    def check_weights(self):
        """Raise an error if there is nothing to train: Keras then only warns, and takes no step."""
        if not self.built or not self._weights:
            raise ValueError(
                f"{type(self).__name__} has no weights to train. Expected a model with a trainable "
                "weight, and at least one batch of data. Received: none. Set `trainable = True` on "
                "a layer and compile the model again."
            )

    def swap_in_accepted_point(self):
        """Put the accepted point into the weights until `swap_in_trial_point`."""
        self.check_weights()
        if int(keras.ops.convert_to_numpy(self._control)[0]) != descent.START:
            self._write(self._accepted_point.value)

    def swap_in_trial_point(self):
        """Put the point whose evaluation is due into the weights, bit for bit."""
        phase = int(keras.ops.convert_to_numpy(self._control)[0])
        if phase not in (descent.START, descent.RESUME):
            self._write(self._trial_point.value)

    @property
    def progress(self):
        """The run in numbers: a dict of Python numbers, readable between training steps."""
        if not self.built:
            return {}
        control = self._read_control(keras.ops.convert_to_numpy(self._control))
        return {
            "loss": float(control.loss),
            "gradient_norm": float(control.gradient_norm),
            "step_size": float(control.step_size),
            "evaluations": int(control.evaluations),
            "iterations": int(control.iterations),
            "restarts": int(control.restarts),
            "status_code": int(control.phase),
        }

    @property
    def status(self):
        """What the optimizer is at, in one of these words.

        "not started", "searching", "converged" (the gradient is within the tolerance, or for
        `Newton` and `NewtonCG` no step promises more than the rounding of the loss), "line search
        failed" or "trust region failed" (no lower loss was found: the precision of the weights or
        the loss is exhausted, or the loss has a kink there, as an L1 penalty has at 0, which is
        often its minimum), "loss too coarse" (it is the same at points where it should differ),
        "not deterministic" (it is not the same at the same weights) or "not finite" (at weights
        where it has to be finite; it is evaluated there again, and the search goes on once it is).
        """
        if not self.built:
            return descent.NAMES[descent.START]
        control = self._read_control(keras.ops.convert_to_numpy(self._control))
        phase = int(control.suspended if control.phase == descent.RESUME else control.phase)
        if phase != descent.FAILED:
            return descent.NAMES[phase]
        known = np.isfinite([control.loss, control.gradient_norm]).all()
        return self.failure if known else descent.NOT_FINITE
