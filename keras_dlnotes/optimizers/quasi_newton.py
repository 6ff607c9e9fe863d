"""What L-BFGS and BFGS share: one gradient in, the next weights to evaluate out."""

import abc
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import line_search_machine, quasi_newton_step
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.numerics.phases import Points
from keras_dlnotes.optimizers.second_order_optimizer import SecondOrderOptimizer

xp = active.arrays


class QuasiNewton(SecondOrderOptimizer, abc.ABC):
    """A line-search method as a state machine whose state is optimizer variables.

    Every `apply` receives the gradient (and, through `scale_loss`, the loss) at the weights it
    asked for last, and writes the weights of the next evaluation. A final class says in
    `build_curvature` what it remembers of the curvature and in `descend` how that gives a
    direction.
    """

    failure = "line search failed"
    vectors = (
        "accepted_point",
        "accepted_gradient",
        "search_direction",
        "trial_point",
        "gradient_sum",
    )
    carried = ("weight",)
    machine = line_search_machine

    _search_direction: Any
    _gradient_sum: Any

    def __init__(
        self,
        gradient_tolerance: float | None,
        sufficient_decrease: float,
        curvature: float,
        max_search_evaluations: int,
        verify_determinism: bool,
        name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(gradient_tolerance, verify_determinism, name, **kwargs)
        if not 0.0 < sufficient_decrease < 0.5 or not sufficient_decrease < curvature < 1.0:
            raise ValueError(
                "Expected 0 < sufficient_decrease < 0.5 and sufficient_decrease < curvature < 1. "
                f"Received: sufficient_decrease={sufficient_decrease}, curvature={curvature}. "
                "The defaults suit quasi-Newton methods."
            )
        self.sufficient_decrease = sufficient_decrease
        self.curvature = curvature
        self.max_search_evaluations = whole_number(
            "max_search_evaluations", max_search_evaluations, least=2
        )
        self._sums_with_loss = (
            False  # whether the batches' losses are known, and not only gradients
        )

    @abc.abstractmethod
    def descend(
        self,
        point: Any,
        gradient: Any,
        pair: quasi_newton_step.CurvaturePair,
        keep_pair: Any,
        stored: Any,
        begins: Any,
    ) -> Any:
        """Take the pair in where `keep_pair`; the direction -H g where `begins`.

        Args:
            point: The accepted point, [n].
            gradient: g there, [n].
            pair: what the last step changed, a `quasi_newton_step.CurvaturePair`.
            keep_pair: boolean scalar.
            stored: how many pairs there are with this one, a scalar.
            begins: boolean scalar; where false, anything of the right shape may be returned.
        """

    def first_step(self, slope: Any, change: Any) -> Any:
        """The first trial step along a quasi-Newton direction, as a multiple of it.

        `slope` is the loss's along the direction, `change` what the last step did to the loss.
        """
        return slope * 0.0 + 1.0

    def steepest(self, point: Any, gradient: Any, loss: Any, scale: Any = None) -> tuple[Any, Any]:
        """The direction where `descend` has none to offer, and the slope along it.

        With a scale [n], that of steepest descent in the coordinates w / scale.
        """
        return quasi_newton_step.steepest(point, gradient, loss, scale)

    def longest_step(self, point: Any, direction: Any, most: Any) -> Any:
        """The largest step that may be tried along a direction, at most `most`."""
        return most

    def gradient_size(self, point: Any, gradient: Any, scale: Any = None) -> Any:
        """What is compared with `gradient_tolerance`, a scalar: how far from a minimum it is.

        With a scale [n] each component is first multiplied by its own.
        """
        return xp.largest_magnitude(gradient if scale is None else scale * gradient)

    def point_along(self, point: Any, step: Any, direction: Any) -> Any:
        """The trial point of this step along the direction from the accepted point."""
        return point + step * direction

    def build_points(self) -> None:
        """Create the variables of the search; the sums are those over the batches of an epoch."""
        super().build_points()
        self._sums = self.add_variable((2,), "zeros", self._dtype, name="loss_and_weight_sums")

    def evaluation(self, gradient: Any, loss: Any) -> tuple[Any, ...] | None:
        """Gradient and loss; None where they are one batch of several and are added up."""
        weight = self._carried.take("weight")
        if weight is not None:
            self._accumulate(loss, gradient, xp.tensor(weight, self._dtype))
            return None
        return (gradient,) if loss is None else (gradient, loss)

    def weigh_batch(self, weight: Any) -> None:
        """Say that the next gradient is one of several to be averaged, and with what weight.

        `apply` then only adds it up; `finish_evaluation` ends the evaluation.
        """
        self._carried.weight = weight

    def _accumulate(self, loss: Any, gradient: Any, weight: Any) -> None:
        self._sums_with_loss = loss is not None
        loss = xp.tensor(float("nan"), self._dtype) if loss is None else loss
        if active.replicas.count() > 1:
            self._carried.part_weight = weight
        sums = [self._weighted(gradient, weight), self._weighted(loss, weight), weight]
        if not active.replicas.SUMS_BETWEEN_STEPS:
            sums = active.replicas.sums(sums)
        active.replicas.on_each_replica(self._control, self._add, *sums)

    def _add(self, gradient: Any, *sums: Any) -> None:
        self._gradient_sum.assign(self._gradient_sum.value + gradient)
        self._sums.assign(self._sums.value + xp.stack(sums))

    def finish_evaluation(self) -> None:
        """Use the loss and gradient accumulated over an epoch's batches as one evaluation."""
        self.check_weights()
        self.swap_in_trial_point()  # a callback may have shown the accepted point meanwhile
        gradient, sums = self._gradient_sum.value, self._sums.value
        if active.replicas.SUMS_BETWEEN_STEPS:
            mean = gradient / xp.maximum(sums[1], xp.zeros_like(sums[1]) + 1e-30)
            active.replicas.check_agreement([*self._weights, self._control], mean, sums[1])
            gradient, sums = active.replicas.sums([gradient, sums])
        parts = [gradient / sums[1]]
        if self._sums_with_loss:
            parts.append(sums[0] / sums[1])
        self.discard_evaluation()
        active.replicas.on_each_replica(self._control, self._take, *parts)

    def discard_evaluation(self) -> None:
        """Empty the sums over batches."""
        for variable in (self._gradient_sum, self._sums):
            # By shape: on JAX a `fit` that raised may have given the old value's memory away.
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))

    @property
    def has_unfinished_evaluation(self) -> bool:
        """Whether gradients have been added up that `finish_evaluation` has not used."""
        return self.built and float(keras.ops.convert_to_numpy(self._sums)[1]) > 0.0

    def advance(
        self,
        control: line_search_machine.LineSearchControl,
        points: Points,
        weights: Any,
        gradient: Any,
        loss: Any = None,
    ) -> tuple[Any, Points]:
        """See `SecondOrderOptimizer.advance`."""
        settings = line_search_machine.Settings(
            sufficient_decrease=self.sufficient_decrease,
            curvature=self.curvature,
            gradient_tolerance=self.gradient_tolerance,
            max_search_evaluations=self.max_search_evaluations,
            verify_determinism=self.verify_determinism,
            epsilon=self._epsilon,
        )
        old = self._search_direction.value
        control, points, direction = quasi_newton_step.take(
            self, control, points, old, weights, gradient, loss, settings
        )
        self._search_direction.assign(direction)
        return control, points

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {
            **super().get_config(),
            "sufficient_decrease": self.sufficient_decrease,
            "curvature": self.curvature,
            "max_search_evaluations": self.max_search_evaluations,
        }
