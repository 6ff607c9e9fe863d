"""The base of every method with trial points: its state, and what one step hands to the next."""

import abc
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Self

import keras
import numpy as np

from keras_dlnotes.backend import active, internals
from keras_dlnotes.numerics import phases
from keras_dlnotes.numerics.phases import Phase, Points
from keras_dlnotes.optimizers import flat_weights, second_order_arguments

xp = active.arrays

_COUNTS = ("memory_size", "max_search_evaluations", "max_weights", "max_products")


class SecondOrderOptimizer(keras.optimizers.Optimizer, abc.ABC):
    """An optimizer that evaluates trial points and accepts some of them.

    It is a state machine whose state is optimizer variables: the accepted point, the trial point,
    which the weights hold between two training steps, and `control`, the scalars of the method,
    which start with the phase (`numerics.phases`). In one training step `scale_loss` takes note of
    the loss; `apply` makes an evaluation of what it is given (`evaluation`), the means over all
    replicas, has the method `advance` by it, and writes the next trial point into the weights.
    """

    # What `status` says where no lower loss could be found.
    failure: str
    # The module of the method's scalars: WIDTH, pack, unpack and read.
    machine: ModuleType
    # The vectors of the weights' size, in the order in which they are saved.
    vectors: tuple[str, ...] = ("accepted_point", "accepted_gradient", "trial_point")
    # The names of what one step hands from `scale_loss` to `apply` besides the loss.
    carried: tuple[str, ...] = ()
    # Whether the method keeps the weights between bounds.
    takes_bounds = False
    # The evaluations that there were when the last `fit` ended.
    _evaluations_before: int | None = None

    _accepted_point: Any
    _accepted_gradient: Any
    _trial_point: Any

    def __init__(
        self, gradient_tolerance: float | None, verify_determinism: bool, name: str, **kwargs: Any
    ) -> None:
        factor = second_order_arguments.check_arguments(type(self).__name__, kwargs)
        super().__init__(learning_rate=1.0, loss_scale_factor=factor, name=name)
        if gradient_tolerance is not None and not gradient_tolerance >= 0.0:
            raise ValueError(
                f"Expected gradient_tolerance >= 0, or None. Received: {gradient_tolerance}."
            )
        self.gradient_tolerance = gradient_tolerance
        self.verify_determinism = verify_determinism
        self._carried = Carried("loss", "examples", "part_weight", *self.carried)

    @abc.abstractmethod
    def build_curvature(self, size: int, dtype: str) -> None:
        """Create the variables that hold the curvature of `size` weights."""

    @abc.abstractmethod
    def evaluation(self, gradient: Any, loss: Any) -> tuple[Any, ...] | None:
        """What is known of the loss at the weights, as a tuple of tensors for `advance`.

        Args:
            gradient: dL/dw in this replica's part of the batch, [n].
            loss: The loss there, a scalar, or None where it cannot be had.

        Returns:
            The tuple, or None if the evaluation is not complete yet.
        """

    @abc.abstractmethod
    def advance(
        self, control: Any, points: Points, weights: Any, *evaluation: Any
    ) -> tuple[Any, Points]:
        """The state after one evaluation.

        Args:
            control: The scalars of the method, of the type that `machine.unpack` makes.
            points: `phases.Points`.
            weights: Where the evaluation was taken, [n].
            evaluation: What `evaluation` returned, taken over all replicas.

        Returns:
            Control and points; the trial point is where the next evaluation has to be.
        """

    def build(self, variables: Iterable[keras.Variable]) -> None:
        """Create the optimizer's variables for these weights."""
        internals.apply_all.expect()
        variables = list(variables)
        with active.replicas.scope_of(variables):
            super().build(variables)
            second_order_arguments.check_variables(
                type(self).__name__, variables, self.takes_bounds
            )
            self._size = flat_weights.size(self._weights)
            self._dtype = second_order_arguments.working_dtype(self._weights)
            self._epsilon = float(np.finfo(self._dtype).eps)
            self.build_points()
            self.build_curvature(self._size, self._dtype)

    def build_points(self) -> None:
        """Create the variables of the points and of the control, which starts with zeros."""
        shape = (self.machine.WIDTH,)
        self._control = self.add_variable(shape, "zeros", self._dtype, name="control")
        for name in self.vectors:
            vector = self.add_variable((self._size,), "zeros", self._dtype, name=name)
            setattr(self, f"_{name}", vector)

    @property
    def has_unfinished_evaluation(self) -> bool:
        """Whether an evaluation is spread over batches and not complete yet."""
        return False

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Make an optimizer of what `get_config` returned.

        Earlier versions took and saved counts such as 1e4, which the constructor refuses now.
        """
        counts = {
            name: int(config[name])
            for name in _COUNTS
            if isinstance(config.get(name), float) and config[name].is_integer()
        }
        return super().from_config({**config, **counts}, custom_objects)

    def load_own_variables(self, store: Any) -> None:
        """Set the optimizer's state; files of earlier versions hold fewer of the control's numbers.

        The newest are its last, and 0 before they are known.
        """
        values = {key: np.asarray(store[key]) for key in list(store.keys())}
        for index, variable in enumerate(self.variables):
            if self.built and variable is self._control and str(index) in values:
                known = values[str(index)]
                values[str(index)] = np.pad(known, (0, max(0, variable.shape[0] - len(known))))
        super().load_own_variables(values)

    def scale_loss(self, loss: Any) -> Any:
        """Take note of the loss; `apply` needs it beside the gradient of what is returned."""
        self._carried.loss = xp.detached(loss)
        return super().scale_loss(loss)

    def count_examples(self, count: Any) -> None:
        """Say how many examples there are in this replica's part of the batch.

        It is the part's weight where several replicas train the weights together; without it all
        parts count the same, as they do in Keras. In `fit`, `SecondDerivatives` does it, and
        `FullBatch` what corresponds to it. Call it in the replica's own step, before `scale_loss`.
        On TensorFlow the loss has to be that of Keras's loss objects there: the mean over the part
        divided by the number of replicas.
        """
        self._carried.examples = count

    def _backend_apply_gradients(
        self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable]
    ) -> None:
        loss = self._carried_loss()
        evaluation = self.evaluation(self._flat_gradient(grads, trainable_variables), loss)
        if evaluation is not None:
            parts = self._of_whole_batch(*evaluation)
            active.replicas.on_each_replica(self._control, self._take, *parts)

    def _take(self, *evaluation: Any) -> None:
        """One evaluation in, the next trial point out."""
        weights = flat_weights.read(self._weights, self._dtype)
        points = Points(
            self._accepted_point.value, self._accepted_gradient.value, self._trial_point.value
        )
        control = self.machine.unpack(self._control.value)
        evaluation = tuple(xp.scalar(e) if len(e.shape) == 0 else e for e in evaluation)
        control, points = self.advance(control, points, weights, *evaluation)
        self._control.assign(self.machine.pack(control))
        self._accepted_point.assign(points.accepted_point)
        self._accepted_gradient.assign(points.accepted_gradient)
        # The weights may be coarser than the state (float16): remember what they really hold.
        self._trial_point.assign(self._write(points.trial_point))

    def _carried_loss(self) -> Any:
        loss = self._carried.take("loss")
        if loss is None or not xp.is_usable(loss):
            return None
        # Keras's mean over no examples is a tensor without numbers. (Some ranks are unknown.)
        if getattr(loss.shape, "rank", 0) is not None and 0 in loss.shape:
            return xp.tensor(float("nan"), self._dtype)
        return xp.reshape(xp.cast(loss, self._dtype), ())

    def _of_whole_batch(self, gradient: Any, *others: Any) -> Sequence[Any]:
        """The means over the whole batch, of which each replica knows those of its own part."""
        examples = self._carried.take("examples")
        replicas = active.replicas.count()
        if replicas == 1:
            return gradient, *others
        active.replicas.check_agreement([*self._weights, self._control], gradient, examples)
        weight = xp.tensor(1.0 if examples is None else examples, self._dtype)
        return self._means([gradient, *others], weight)

    def gradients_of_whole_batch(self, gradients: Iterable[Any]) -> list[Any]:
        """What gradients of this replica's part of the last batch are for the whole batch."""
        gradients = [xp.cast(gradient, self._dtype) for gradient in gradients]
        return self._means(gradients, self._carried.part_weight)

    def _means(self, parts: Sequence[Any], weight: Any) -> list[Any]:
        self._carried.part_weight = weight
        *sums, total = active.replicas.sums([*(self._weighted(p, weight) for p in parts), weight])
        return [part / total for part in sums]

    def _weighted(self, part: Any, weight: Any) -> Any:
        """The mean over this replica's examples times their weight."""
        if active.replicas.LOSS_IS_DIVIDED:
            part = part * active.replicas.count()
        # Without examples the mean may be NaN.
        return xp.where(weight > 0.0, part * weight, xp.zeros_like(part))

    @property
    def _weights(self) -> list[keras.Variable]:
        return flat_weights.weights(internals.optimized_variables.of(self))

    def _flat_gradient(self, gradients: Sequence[Any], variables: Sequence[keras.Variable]) -> Any:
        index = internals.index_of_variable.of(self)
        known = dict(zip(map(index, variables), gradients, strict=True))
        every = [(known.get(index(v)), v) for v in self._weights]
        # The loss does not depend on a variable without a gradient.
        return flat_weights.join(
            [keras.ops.zeros(v.shape, v.dtype) if g is None else g for g, v in every], self._dtype
        )

    def _write(self, flat: Any) -> Any:
        return flat_weights.write(flat, self._weights, self._dtype)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Put the accepted point into the weights: what `fit` leaves is never a trial point.

        The next `fit` evaluates it first. Where that was not due anyway, it is the one evaluation
        that two calls of `fit` take more than one; it tells whether weights and loss are the same.
        """
        # JAX's trainer takes the values out of the variables while it runs, and calls this even if
        # a step has raised before they are back: nothing to do then, and an error not to hide.
        if not self.built or internals.value_of_variable.of(self._control, 0) is None:
            return
        known = self._known_control()
        phase, evaluations = int(known.phase), int(known.evaluations)
        said = [second_order_arguments.WARNINGS.get(phase)]
        if phases.is_under_way(phase) and evaluations - 1 == self._evaluations_before:
            said.append(
                f"{type(self).__name__} took no step: the first evaluation of each `fit` is at the "
                "weights that the last one left. Expected at least 2 evaluations (epochs of the "
                "full batch) a `fit`. Received: 1. Call fit(epochs=...) once instead of in a loop."
            )
        self._evaluations_before = evaluations
        if phase not in (Phase.START, Phase.RESUME, Phase.REPEAT):
            self._put_back_accepted_point()
        if sys.exc_info()[0] is not None:
            return  # a warning that filters turn into an error would hide the one that ends `fit`
        for text in said:
            if text is not None:
                # With a registry of its own: else Python shows it for a process's first `fit` only.
                warnings.warn_explicit(text, RuntimeWarning, __file__, 0, registry={})

    def _put_back_accepted_point(self) -> None:
        active.replicas.check_copies(self._accepted_point)
        self._write(self._accepted_point.value)
        control = xp.unstack(self._control.value, self._control.shape[0])
        control[:2] = [control[0] * 0.0 + float(Phase.RESUME), control[0]]
        self._control.assign(xp.stack(control))

    def check_weights(self) -> None:
        """Raise an error if there is nothing to train: Keras then only warns, and takes no step."""
        if not self.built or not self._weights:
            raise ValueError(
                f"{type(self).__name__} has no weights to train. Expected a model with a trainable "
                "weight, and at least one batch of data. Received: none. Set `trainable = True` on "
                "a layer and compile the model again."
            )

    def swap_in_accepted_point(self) -> None:
        """Put the accepted point into the weights until `swap_in_trial_point`."""
        self.check_weights()
        if int(self._known_control().phase) != Phase.START:
            self._write(self._accepted_point.value)

    def swap_in_trial_point(self) -> None:
        """Put the point whose evaluation is due into the weights, bit for bit."""
        if int(self._known_control().phase) not in (Phase.START, Phase.RESUME):
            self._write(self._trial_point.value)

    @property
    def progress(self) -> dict[str, float]:
        """The run as a dict of Python numbers, between training steps; empty before the first."""
        if not self.built:
            return {}
        control = self._known_control()
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
    def status(self) -> str:
        """What the optimizer is at, in one of these words.

        "not started", "searching", "converged" (the gradient is within the tolerance, or no step
        promises more than the rounding of the loss), "line search
        failed" or "trust region failed" (no lower loss was found: the precision of the weights or
        the loss is exhausted, or the loss has a kink there, as an L1 penalty has at 0, which is
        often its minimum), "loss too coarse" (it is the same at points where it should differ),
        "not deterministic" (it is not the same at the same weights), "not finite" (at weights
        where it has to be finite; it is evaluated there again, and the search goes on once it is)
        or "examples not independent" (`GaussNewton`).
        """
        if not self.built:
            return phases.status(Phase.START)
        control = self._known_control()
        phase = int(control.suspended if control.phase == Phase.RESUME else control.phase)
        if phase != Phase.FAILED:
            return phases.status(phase)
        known = np.isfinite([control.loss, control.gradient_norm]).all()
        return self.failure if known else phases.NOT_FINITE

    def _known_control(self) -> Any:
        return self.machine.read(keras.ops.convert_to_numpy(self._control))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {
            "name": self.name,
            "gradient_tolerance": self.gradient_tolerance,
            "verify_determinism": self.verify_determinism,
            "loss_scale_factor": self.loss_scale_factor,
        }


class Carried(threading.local):
    """Numbers on their way, each thread with its own: `tf.distribute` traces a replica in each.

    Args:
        names: What they are called; each is None before it is handed over.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names
        self.__dict__.update(dict.fromkeys(names))

    def take(self, name: str) -> Any:
        """What was handed over last; it is gone afterwards."""
        value = getattr(self, name)
        setattr(self, name, None)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._names
