"""What L-BFGS and BFGS share: one gradient in, the next weights to evaluate out."""

import abc

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import descent
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.optimizers import deterministic_objective, flat_weights
from keras_dlnotes.optimizers.accepted_point import AcceptedPoint
from keras_dlnotes.optimizers.carried import Carried

xp = active.arrays


class QuasiNewton(AcceptedPoint, keras.optimizers.Optimizer, abc.ABC):
    """A line-search method as a state machine whose state is optimizer variables.

    Every `apply` receives the gradient (and, through `scale_loss`, the loss) at the weights it
    asked for last, and writes the weights of the next evaluation. A final class says in
    `build_curvature` what it remembers of the curvature and in `descend` how that gives a
    direction.
    """

    def __init__(
        self,
        gradient_tolerance,
        sufficient_decrease,
        curvature,
        max_search_evaluations,
        verify_determinism,
        name,
        **kwargs,
    ):
        loss_scale_factor = deterministic_objective.check_arguments(type(self).__name__, kwargs)
        super().__init__(learning_rate=1.0, loss_scale_factor=loss_scale_factor, name=name)
        if not 0.0 < sufficient_decrease < 0.5 or not sufficient_decrease < curvature < 1.0:
            raise ValueError(
                "Expected 0 < sufficient_decrease < 0.5 and sufficient_decrease < curvature < 1. "
                f"Received: sufficient_decrease={sufficient_decrease}, curvature={curvature}. "
                "The defaults suit quasi-Newton methods."
            )
        if gradient_tolerance < 0.0:
            raise ValueError(f"Expected gradient_tolerance >= 0. Received: {gradient_tolerance}.")
        self.gradient_tolerance = gradient_tolerance
        self.sufficient_decrease = sufficient_decrease
        self.curvature = curvature
        self.max_search_evaluations = whole_number(
            "max_search_evaluations", max_search_evaluations, least=2
        )
        self.verify_determinism = verify_determinism
        self._carried = Carried(loss=None, examples=None, part_weight=None, weight=None)
        self._sums_with_loss = (
            False  # whether the batches' losses are known, and not only gradients
        )

    @abc.abstractmethod
    def build_curvature(self, size, dtype):
        """Create the variables that hold the curvature of `size` weights."""

    @abc.abstractmethod
    def descend(self, gradient, pair, keep_pair, stored, begins):
        """Take the pair in where `keep_pair`; the direction -H g where `begins`.

        Args:
            gradient: g at the accepted point, [n].
            pair: what the last step changed, a `descent.Pair`.
            keep_pair: boolean scalar.
            stored: how many pairs there are with this one, a scalar.
            begins: boolean scalar; where false, anything of the right shape may be returned.
        """

    def first_step(self, slope, change):
        """The first trial step along a quasi-Newton direction, as a multiple of it.

        `slope` is the loss's along the direction, `change` what the last step did to the loss.
        """
        return slope * 0.0 + 1.0

    def build_state(self):
        """Create the variables of the search."""

        def vector(name, initializer="zeros"):
            return self.add_variable((self._size,), initializer, self._dtype, name=name)

        # The machine starts in the phase START, which is 0 like everything else about it.
        self._control = self.add_variable((descent.WIDTH,), "zeros", self._dtype, name="control")
        self._accepted_point = vector("accepted_point")
        self._accepted_gradient = vector("accepted_gradient")
        self._search_direction = vector("search_direction")
        self._trial_point = vector("trial_point")
        self._gradient_sum = vector("gradient_sum")
        self._sums = self.add_variable((2,), "zeros", self._dtype, name="loss_and_weight_sums")
        self.build_curvature(self._size, self._dtype)

    def _backend_apply_gradients(self, grads, trainable_variables):
        loss = self._carried_loss()
        gradient = self._flat_gradient(grads, trainable_variables)
        weight = self._carried.take("weight")
        if weight is not None:
            self._accumulate(loss, gradient, xp.tensor(weight, self._dtype))
            return
        parts = self._of_whole_batch(gradient, *(() if loss is None else (loss,)))
        active.replicas.on_each_replica(self._control, self._advance, *parts)

    def weigh_batch(self, weight):
        """Say that the next gradient is one of several to be averaged, and with what weight.

        `apply` then only adds it up; `finish_evaluation` ends the evaluation.
        """
        self._carried.weight = weight

    def _accumulate(self, loss, gradient, weight):
        self._sums_with_loss = loss is not None
        loss = xp.tensor(float("nan"), self._dtype) if loss is None else loss
        if active.replicas.count() > 1:
            self._carried.part_weight = weight
        sums = [self._weighted(gradient, weight), self._weighted(loss, weight), weight]
        if not active.replicas.SUMS_BETWEEN_STEPS:
            sums = active.replicas.sums(sums)
        active.replicas.on_each_replica(self._control, self._add, *sums)

    def _add(self, gradient, *sums):
        self._gradient_sum.assign(self._gradient_sum.value + gradient)
        self._sums.assign(self._sums.value + xp.stack(sums))

    def finish_evaluation(self):
        """Use the loss and gradient accumulated over an epoch's batches as one evaluation."""
        self.check_weights()
        self.swap_in_trial_point()  # a callback may have shown the accepted point meanwhile
        gradient, sums = self._gradient_sum.value, self._sums.value
        if active.replicas.SUMS_BETWEEN_STEPS:
            mean = gradient / xp.maximum(sums[1], xp.zeros_like(sums[1]) + 1e-30)
            active.replicas.check_agreement([*self._weights, self._control], mean, sums[1])
            gradient, sums = active.replicas.sums([gradient, sums])
        loss_sum, weight_sum = xp.unstack(sums, 2)
        parts = [gradient / weight_sum]
        if self._sums_with_loss:
            parts.append(loss_sum / weight_sum)
        self.discard_evaluation()
        active.replicas.on_each_replica(self._control, self._advance, *parts)

    def discard_evaluation(self):
        """Empty the sums over batches."""
        for variable in (self._gradient_sum, self._sums):
            # By shape: on JAX a `fit` that raised may have given the old value's memory away.
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))

    @property
    def has_unfinished_evaluation(self):
        """Whether gradients have been added up that `finish_evaluation` has not used."""
        return self.built and float(keras.ops.convert_to_numpy(self._sums)[1]) > 0.0

    def _read_control(self, vector):
        return descent.read(vector)

    def _settings(self, unit):
        return descent.Settings(
            sufficient_decrease=self.sufficient_decrease,
            curvature=self.curvature,
            gradient_tolerance=self.gradient_tolerance / unit,
            max_search_evaluations=self.max_search_evaluations,
            verify_determinism=self.verify_determinism,
            epsilon=float(np.finfo(self._dtype).eps),
        )

    def _advance(self, gradient, loss=None):
        control = descent.unpack(self._control.value)
        settings = self._settings(control.unit)
        gradient = gradient / control.unit
        weights = flat_weights.read(self._weights, self._dtype)
        accepted_point = self._accepted_point.value
        accepted_gradient = self._accepted_gradient.value
        step_change = weights - accepted_point
        gradient_change = gradient - accepted_gradient
        known = loss is not None
        seen = descent.Observation(
            loss=loss / control.unit if known else control.loss * 0.0,
            loss_known=known,
            slope=xp.dot(gradient, self._search_direction.value),
            gradient_norm=xp.largest_magnitude(gradient),
            repeats_gradient=xp.largest_magnitude(gradient_change)
            <= settings.epsilon**0.5 * control.gradient_norm,
            at_trial=xp.all_equal(weights, self._trial_point.value),
            at_accepted=xp.all_equal(weights, accepted_point),
        )
        loss_before = control.loss
        control, decision = descent.advance(control, seen, settings)
        unit, factor = descent.change_unit(
            control.unit,
            decision.take & xp.logical_not(decision.accept),
            control.loss,
            control.gradient_norm,
        )
        control = control._replace(
            loss=control.loss * factor, gradient_norm=control.gradient_norm * factor, unit=unit
        )
        gradient = gradient * factor
        # The relative curvature test s^T y > epsilon |s| |y|: a pair without it would make H
        # indefinite or no better than rounding. The strong Wolfe conditions imply s^T y > 0.
        bend = xp.dot(step_change, gradient_change)
        lengths = xp.square_root(
            xp.dot(step_change, step_change) * xp.dot(gradient_change, gradient_change)
        )
        keep_pair = decision.accept & (bend > settings.epsilon * lengths) & xp.is_finite(lengths)
        stored = xp.where(keep_pair, control.stored + 1.0, control.stored)
        stays = decision.take | decision.hopeless
        accepted_point = xp.where(stays, weights, accepted_point)
        accepted_gradient = xp.where(decision.take, gradient, accepted_gradient)
        direction, slope, stored = self._new_direction(
            accepted_gradient,
            descent.Pair(step_change, gradient_change, control.step_size),
            keep_pair,
            stored,
            decision.begin,
        )
        whole = stored * 0.0 + 1.0
        guess = self.first_step(slope, control.loss - loss_before)
        first = xp.where(decision.accept & (stored > 0.0), guess, whole)
        control = descent.begin(
            control._replace(stored=stored), decision.begin, slope, first, settings
        )
        moving = (control.step != 0.0) & xp.logical_not(descent.is_phase(control, descent.REPEAT))
        trial_point = xp.where(moving, accepted_point + control.step * direction, accepted_point)
        self._control.assign(descent.pack(control))
        self._accepted_point.assign(accepted_point)
        self._accepted_gradient.assign(accepted_gradient)
        self._search_direction.assign(direction)
        # The weights may be coarser than the state (float16): remember what they really hold.
        self._trial_point.assign(self._write(trial_point))

    def _new_direction(self, gradient, pair, keep_pair, stored, begins):
        proposal = self.descend(gradient, pair, keep_pair, stored, begins & (stored > 0.0))
        old = self._search_direction.value

        def begin():
            slope = xp.dot(gradient, proposal)
            fails = xp.logical_not((stored > 0.0) & (slope < 0.0) & xp.is_finite(slope))
            return xp.conditional(
                fails,
                lambda: (*descent.steepest(gradient), stored * 0.0),
                lambda: (xp.cast(proposal, self._dtype), slope, stored),
            )

        return xp.conditional(begins, begin, lambda: (old, stored * 0.0, stored))

    def get_config(self):
        """The arguments that make this optimizer again."""
        return {
            "name": self.name,
            "gradient_tolerance": self.gradient_tolerance,
            "sufficient_decrease": self.sufficient_decrease,
            "curvature": self.curvature,
            "max_search_evaluations": self.max_search_evaluations,
            "verify_determinism": self.verify_determinism,
            "loss_scale_factor": self.loss_scale_factor,
        }
