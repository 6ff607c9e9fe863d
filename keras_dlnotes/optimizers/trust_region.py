"""What Newton and NewtonCG share: second derivatives, and trial points judged by their promise."""

import abc
import enum
from collections.abc import Callable
from typing import Any

from keras_dlnotes.backend import active, internals
from keras_dlnotes.numerics import trust_region_machine
from keras_dlnotes.numerics.phases import Points
from keras_dlnotes.optimizers import flat_weights
from keras_dlnotes.optimizers.second_order_optimizer import SecondOrderOptimizer

UNSCALED = (
    "Under the policy mixed_float16 it is Keras's loss scaling that keeps the loss away: compile "
    "with auto_scale_loss=False, or use mixed_bfloat16."
)


class TrustRegion(SecondOrderOptimizer, abc.ABC):
    """A trust-region method as a state machine whose state is optimizer variables.

    A final class says in `build_curvature` what it remembers of the curvature, in
    `second_derivative` what it needs of it at each evaluation, and in `step` what follows.
    """

    failure = "trust region failed"
    carried = ("graph_loss", "second", "function", "outputs", "muted")
    machine = trust_region_machine
    # The method's own phases; in all of them it is at the accepted point.
    phases: type[enum.IntEnum]

    @abc.abstractmethod
    def second_derivative(self, loss: Any) -> Any:
        """What the method needs of the loss's (or, on JAX, the loss function's) curvature."""

    @abc.abstractmethod
    def step(
        self,
        control: trust_region_machine.TrustRegionControl,
        points: Points,
        verdict: trust_region_machine.TrustRegionVerdict,
        second: Any,
    ) -> trust_region_machine.Proposal:
        """What the method makes of a judged evaluation, a `trust_region_machine.Proposal`.

        Args:
            control: A `TrustRegionControl`; the evaluation is counted, its phase still the old one.
            points: `Points`; the trial point is still the old one.
            verdict: The evaluation's `TrustRegionVerdict`.
            second: What `second_derivative` returned.
        """

    @property
    def needs_outputs(self) -> bool:
        """Whether `second_derivative` takes the model's outputs apart from the loss."""
        return False

    def differentiate(
        self, loss_function: Callable[..., Any], outputs_function: Callable[..., Any] | None = None
    ) -> None:
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

    def observe_outputs(self, outputs: list[Any]) -> None:
        """Give `scale_loss` the model's outputs, if it `needs_outputs` (on TensorFlow and torch).

        In `fit`, `keras_dlnotes.callbacks.SecondDerivatives` does it.

        Args:
            outputs: The list of tensors from which the loss was computed.
        """
        self._carried.outputs = outputs

    def curved_loss(self, loss: Any) -> Any:
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

    def scale_loss(self, loss: Any) -> Any:
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

    def evaluation(self, gradient: Any, loss: Any) -> tuple[Any, ...]:
        """Gradient, loss and second derivatives."""
        if loss is None:
            raise ValueError(
                f"{type(self).__name__} judges each step by the loss. Expected "
                "optimizer.scale_loss(loss) in the same step, before optimizer.apply. "
                f"Received gradients only. {UNSCALED}"
            )
        return gradient, loss, active.arrays.cast(self._second(), self._dtype)

    def _second(self) -> Any:
        if active.derivatives.SOURCE == "function":
            return self._second_from_function()
        if active.derivatives.SOURCE == "graph":
            return self.second_derivative(self._carried.take("graph_loss"))
        second = self._carried.take("second")
        if second is None:
            raise ValueError(
                f"{type(self).__name__} takes second derivatives in scale_loss, for which it "
                "has to be built. Call optimizer.build(model.trainable_variables) before the "
                "first step."
            )
        return second

    def _second_from_function(self) -> Any:
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

    def _muted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the weights moved, which may call scale_loss without leaving a note."""

        def quiet(moved: Any, *arguments: Any) -> Any:
            every = flat_weights.complete(moved, internals.optimized_variables.of(self))
            self._carried.muted = True
            try:
                return function(every, *arguments)
            finally:
                self._carried.muted = False

        return quiet

    def advance(
        self,
        control: trust_region_machine.TrustRegionControl,
        points: Points,
        weights: Any,
        gradient: Any,
        loss: Any,
        second: Any,
    ) -> tuple[Any, Points]:
        """See `SecondOrderOptimizer.advance`."""
        control, points, verdict, second = trust_region_machine.judge(
            control, points, self.phases, weights, gradient, loss, second, self._epsilon
        )
        outcome = self.step(control, points, verdict, second)
        return trust_region_machine.conclude(control, points, verdict, outcome)
