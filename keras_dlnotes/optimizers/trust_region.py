"""What Newton and NewtonCG share: trial points judged by the model's promise."""

import abc
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import descent, trust_region
from keras_dlnotes.optimizers import deterministic_objective, flat_weights
from keras_dlnotes.optimizers.accepted_point import AcceptedPoint
from keras_dlnotes.optimizers.carried import Carried

xp = active.arrays
UNSCALED = (
    "Under the policy mixed_float16 it is Keras's loss scaling that keeps the loss away: compile "
    "with auto_scale_loss=False, or use mixed_bfloat16."
)


class Control(NamedTuple):
    """Everything a trust-region method remembers that is not a vector; scalars of one dtype.

    Losses, gradients and second derivatives are multiples of `unit`.
    """

    phase: Any
    suspended: Any
    loss: Any  # at the accepted point
    gradient_norm: Any  # largest magnitude at the accepted point
    step_size: Any  # length of the last accepted step
    evaluations: Any
    iterations: Any
    restarts: Any
    radius: Any
    promise: Any  # the model's reduction for the trial step
    step_length: Any  # of the trial step
    products: Any  # Hessian-vector products for this step
    unit: Any  # see `descent.Control`
    level: Any  # how many evaluations in turn were `descent.is_level`
    gradient_ratio: Any  # of the gradients' lengths after and before the last step, 0 without one


class Verdict(NamedTuple):
    """What an evaluation means; booleans but for `purpose`, `level` and `radius`."""

    purpose: Any  # the phase that the evaluation belongs to, whatever has come between
    start: Any
    take: Any  # the weights seen become the accepted point
    again: Any  # at the accepted point, and the loss repeats itself
    rejected: Any
    noisy: Any
    hopeless: Any  # loss or derivatives at the starting weights are not finite
    unknown: Any  # they are not, where they have been finite before
    exhausted: Any  # the model's minimum was tried, and is no better than the loss's rounding
    coarse: Any  # the loss did not change where it should have
    level: Any
    radius: Any


class TrustRegion(AcceptedPoint, keras.optimizers.Optimizer, abc.ABC):
    """A trust-region method as a state machine whose state is optimizer variables."""

    failure = "trust region failed"

    def __init__(self, gradient_tolerance, verify_determinism, name, **kwargs):
        factor = deterministic_objective.check_arguments(type(self).__name__, kwargs)
        super().__init__(learning_rate=1.0, loss_scale_factor=factor, name=name)
        if gradient_tolerance < 0.0:
            raise ValueError(f"Expected gradient_tolerance >= 0. Received: {gradient_tolerance}.")
        self.gradient_tolerance = gradient_tolerance
        self.verify_determinism = verify_determinism
        self._carried = Carried(
            loss=None,
            examples=None,
            part_weight=None,
            graph_loss=None,
            second=None,
            function=None,
            outputs=None,
            muted=False,
        )

    @abc.abstractmethod
    def build_curvature(self, size, dtype):
        """Create the variables that hold the curvature of `size` weights."""

    @abc.abstractmethod
    def second_derivative(self, loss):
        """What the method needs of the loss's (or, on JAX, the loss function's) curvature."""

    @abc.abstractmethod
    def advance(self, control, verdict, second):
        """What follows from a judged evaluation: the new control, and the next trial point.

        Args:
            control: A `Control` with the evaluation counted, its phase still the old one.
            verdict: The evaluation's `Verdict`.
            second: What `second_derivative` returned.
        """

    def build_state(self):
        """Create the variables of the method."""
        self._epsilon = float(np.finfo(self._dtype).eps)

        def vector(name):
            return self.add_variable((self._size,), "zeros", self._dtype, name=name)

        width = len(Control._fields)
        self._control = self.add_variable((width,), "zeros", self._dtype, name="control")
        self._accepted_point = vector("accepted_point")
        self._accepted_gradient = vector("accepted_gradient")
        self._trial_point = vector("trial_point")
        self.build_curvature(self._size, self._dtype)

    @property
    def needs_outputs(self):
        """Whether `second_derivative` takes the model's outputs apart from the loss."""
        return False

    def differentiate(self, loss_function, outputs_function=None):
        """Give the next `apply` the loss as a function of the list of weights (needed on JAX).

        In `fit`, `keras_dlnotes.callbacks.SecondDerivatives` does it.

        Args:
            loss_function: Maps a list of weights to the loss; with `outputs_function`, a list of
                weights and the list of outputs.
            outputs_function: Maps a list of weights to the list of the model's outputs; for an
                optimizer that `needs_outputs`.
        """
        self._carried.function = loss_function
        self._carried.outputs = outputs_function

    def observe_outputs(self, outputs):
        """Give `scale_loss` the model's outputs, if it `needs_outputs` (on TensorFlow and torch).

        In `fit`, `keras_dlnotes.callbacks.SecondDerivatives` does it.

        Args:
            outputs: The list of tensors from which the loss was computed.
        """
        self._carried.outputs = outputs

    def curved_loss(self, loss):
        """The loss of which second derivatives are taken."""
        if not self.needs_outputs:
            return loss
        outputs = self._carried.take("outputs")
        if outputs is None:
            raise ValueError(
                f"{type(self).__name__} with these arguments needs the model's outputs apart from "
                "the loss. In fit, add keras_dlnotes.callbacks.SecondDerivatives() to the "
                "callbacks; in a loop of your own, call optimizer.observe_outputs([outputs]) "
                "before optimizer.scale_loss, or on JAX optimizer.differentiate(loss_function, "
                "outputs_function) before optimizer.apply. Received neither."
            )
        return active.derivatives.gauss_newton_loss(loss, outputs, self._weights)

    def scale_loss(self, loss):
        """Take note of the loss and, where its graph is at hand, of its second derivatives."""
        if self._carried.muted:
            return loss
        scaled = super().scale_loss(loss)
        if active.derivatives.SOURCE == "graph":
            self._carried.graph_loss = loss
        elif active.derivatives.SOURCE == "tape" and self.built and self._weights:
            # (A model whose layers are all frozen has nothing to differentiate by.)
            self._carried.second = self.second_derivative(loss)
        return scaled

    def _second_from_function(self):
        function = self._carried.take("function")
        if function is None:
            raise ValueError(
                f"{type(self).__name__} needs second derivatives, and on JAX those need the loss "
                "as a function of the weights. In fit, add "
                "keras_dlnotes.callbacks.SecondDerivatives() to the callbacks; in a loop of your "
                "own, call optimizer.differentiate(loss_function) before optimizer.apply, where "
                "loss_function maps a list of weights to the loss. Received neither."
            )

        if self._carried.outputs is not None:
            self._carried.outputs = self._muted(self._carried.outputs)
        return self.second_derivative(self._muted(function))

    def _muted(self, function):
        """A function of the weights moved, which may call scale_loss without leaving a note."""

        def quiet(moved, *arguments):
            every = flat_weights.complete(moved, self._trainable_variables)
            self._carried.muted = True
            try:
                return function(every, *arguments)
            finally:
                self._carried.muted = False

        return quiet

    def _backend_apply_gradients(self, grads, trainable_variables):
        loss = self._carried_loss()
        if loss is None:
            raise ValueError(
                f"{type(self).__name__} judges each step by the loss. Expected "
                "optimizer.scale_loss(loss) in the same step, before optimizer.apply. "
                f"Received gradients only. {UNSCALED}"
            )
        if active.derivatives.SOURCE == "function":
            second = self._second_from_function()
        elif active.derivatives.SOURCE == "graph":
            graph_loss = self._carried.take("graph_loss")
            second = self.second_derivative(graph_loss)
        else:
            second = self._carried.take("second")
            if second is None:
                raise ValueError(
                    f"{type(self).__name__} takes second derivatives in scale_loss, for which it "
                    "has to be built. Call optimizer.build(model.trainable_variables) before the "
                    "first step."
                )
        gradient = self._flat_gradient(grads, trainable_variables)
        parts = self._of_whole_batch(gradient, loss, xp.cast(second, self._dtype))
        active.replicas.on_each_replica(self._control, self._take, *parts)

    def _take(self, gradient, loss, second):
        """One evaluation in, the next trial point out."""
        weights = flat_weights.read(self._weights, self._dtype)
        control = Control(*xp.unstack(self._control.value, len(Control._fields)))
        unit = descent.known_unit(control.unit)
        control, trial_point = self._judged(
            control._replace(unit=unit), weights, loss / unit, gradient / unit, second / unit
        )
        self._control.assign(xp.stack(control))
        self._trial_point.assign(self._write(trial_point))

    def _judged(self, control, weights, loss, gradient, second):
        verdict = self._judge(control, weights, loss, gradient, second)
        begins = verdict.start & verdict.take
        unit, factor = descent.change_unit(
            control.unit, begins, loss, xp.largest_magnitude(gradient)
        )
        control = control._replace(unit=unit)
        control = self._count(control, verdict, weights, loss * factor, gradient * factor)
        return self.advance(control, verdict, second * factor)

    def _judge(self, control, weights, loss, gradient, second):
        c, no = control, xp.logical_not
        gradient_norm = xp.largest_magnitude(gradient)
        finite = xp.is_finite(loss) & xp.is_finite(gradient_norm)
        finite = finite & xp.is_finite(xp.largest_magnitude(second))
        noise = xp.absolute(c.loss)
        repeats = xp.absolute(loss - c.loss) <= max(self._epsilon**0.5, 1e-6) * noise
        at_trial = xp.all_equal(weights, self._trial_point.value)
        at_accepted = xp.all_equal(weights, self._accepted_point.value)

        # See `descent.advance`, which says the same of a line search.
        put_back = no(at_trial) & at_accepted & no(descent.is_phase(c, descent.START))
        back = descent.is_phase(c, descent.RESUME, descent.REPEAT)
        resume = put_back | back
        purpose = xp.where(back, c.suspended, c.phase)

        def is_for(*phases):
            return descent.is_phase(c._replace(phase=purpose), *phases)

        idle = is_for(descent.CONVERGED, descent.FAILED, descent.TOO_COARSE)
        start = (
            is_for(descent.START)
            | (no(at_trial) & no(at_accepted))
            | ((resume | idle) & finite & no(repeats))
            | (resume & is_for(descent.NOT_DETERMINISTIC) & finite)
        )
        at_known = (resume | idle | is_for(descent.VERIFY)) & no(start)
        again = at_known & finite & no(is_for(descent.NOT_DETERMINISTIC))
        search = is_for(descent.SEARCH) & no(start) & no(resume)
        ratio = (c.loss - loss) / c.promise
        # Where the promise itself is rounding, a good step is one with a smaller gradient. Without
        # one, the minimum is reached as far as the loss can tell, if it lies in the region.
        rounding = 10.0 * self._epsilon * noise
        unseen = c.promise <= rounding
        smaller = (loss <= c.loss + rounding) & (gradient_norm <= 0.9 * c.gradient_norm)
        ratio = xp.where(unseen, xp.cast(smaller, self._dtype), ratio)
        accept = search & finite & (ratio > 1e-4)
        exhausted = search & finite & unseen & no(accept) & (c.step_length < 0.999 * c.radius)
        flat = descent.is_level(loss, c.loss, c.promise, self._epsilon)
        level = xp.where(search & finite, xp.where(flat, c.level + 1.0, c.level * 0.0), c.level)
        radius = trust_region.next_radius(c.radius, c.step_length, ratio)
        radius = xp.where(finite, radius, 0.1 * c.step_length)
        return Verdict(
            purpose=purpose,
            start=start,
            take=(start & finite) | accept,
            again=again & repeats,
            rejected=search & no(accept),
            noisy=again & no(repeats),
            hopeless=start & no(finite),
            unknown=at_known & no(finite),
            exhausted=exhausted,
            coarse=search & (level >= float(descent.MOST_LEVEL)),
            level=xp.where(start, level * 0.0, level),
            radius=xp.where(search, radius, c.radius),
        )

    def _count(self, control, verdict, weights, loss, gradient):
        c, one = control, control.radius * 0.0 + 1.0
        accept = verdict.take & xp.logical_not(verdict.start)
        take = verdict.take
        before = self._accepted_gradient.value
        ratio = xp.square_root(xp.dot(gradient, gradient) / xp.dot(before, before))
        ratio = xp.where(accept, ratio, xp.where(verdict.start, c.radius * 0.0, c.gradient_ratio))
        # Where there is nothing finite to start from, the weights stay, and the loss is to be told.
        told = take | verdict.hopeless
        self._accepted_point.assign(xp.where(told, weights, self._accepted_point.value))
        self._accepted_gradient.assign(xp.where(take, gradient, self._accepted_gradient.value))
        return c._replace(
            loss=xp.where(told, loss, c.loss),
            gradient_norm=xp.where(told, xp.largest_magnitude(gradient), c.gradient_norm),
            step_size=xp.where(accept, c.step_length, c.step_size),
            evaluations=c.evaluations + one,
            iterations=xp.where(accept, c.iterations + one, c.iterations),
            restarts=xp.where(verdict.start & (c.evaluations > 0.0), c.restarts + one, c.restarts),
            suspended=xp.where(verdict.unknown, verdict.purpose, c.suspended),
            radius=verdict.radius,
            level=verdict.level,
            gradient_ratio=ratio,
        )

    def _read_control(self, vector):
        c = Control(*[float(number) for number in vector])
        unit = c.unit or 1.0
        return c._replace(loss=c.loss * unit, gradient_norm=c.gradient_norm * unit)

    def get_config(self):
        """The arguments that make this optimizer again."""
        return {
            "name": self.name,
            "gradient_tolerance": self.gradient_tolerance,
            "verify_determinism": self.verify_determinism,
            "loss_scale_factor": self.loss_scale_factor,
        }
