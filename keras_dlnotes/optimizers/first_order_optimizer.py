"""What the six first-order optimizers share: slots, and one rule applied to every variable."""

import abc
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.dtypes import in_arithmetic_dtype
from keras_dlnotes.backend.registration import REMINDER
from keras_dlnotes.numerics.first_order import Change
from keras_dlnotes.optimizers.argument_checks import (
    LearningRate,
    check_learning_rate,
    take_out_keras_arguments,
)


class FirstOrderOptimizer(keras.optimizers.Optimizer, abc.ABC):
    """A Keras optimizer whose update is one elementwise rule: the change of w, and the new state.

    A final class names its state (`slot_names`) and calls its pure function in `rule`. Arguments of
    Keras's optimizer that the rule does not have it lists in `keras_arguments`. Schedules,
    clipping, weight decay, averages of the weights and gradient accumulation are the base class's;
    how the rule reaches many variables at once is `backend`'s `fused_update`.

    Args:
        learning_rate: A number, a `LearningRateSchedule` or a callable without arguments.
        **kwargs: The base class's: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`,
            `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, `name`.
    """

    slot_names: tuple[str, ...] = ()
    slot_initializer = "zeros"
    keras_arguments: ClassVar[dict[str, tuple[Any, str]]] = {}

    def __init__(self, learning_rate: LearningRate, **kwargs: Any) -> None:
        kwargs.pop("requires", None)
        take_out_keras_arguments(type(self).__name__, self.keras_arguments, kwargs)
        super().__init__(learning_rate=check_learning_rate(learning_rate), **kwargs)

    @abc.abstractmethod
    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """Returns the change of w and the tuple of new slots.

        Args:
            gradient: ∂L/∂w, an array.
            slots: The state, arrays of the gradient's shape, in the order of `slot_names`.
            learning_rate: α, a scalar array.
            step: The number of this update, counted from 1, a scalar array.
        """

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates one variable for each weight and slot, named as Keras names them."""
        if self.built:
            return
        internals.update_all.expect()
        internals.clip_gradients.expect()
        super().build(variables)
        initializers = [self.slot_initializer] * len(self.slot_names)
        with active.fused_update.creating_state():
            columns = self.add_optimizer_variables(variables, list(self.slot_names), initializers)
        # A row for each variable, also where a rule keeps no state.
        self._slots = [tuple(column[i] for column in columns) for i in range(len(variables))]
        self._fused_update = active.fused_update.FusedUpdate(
            self.rule, list(variables), self._slots
        )

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if any(
            limit is not None for limit in (self.clipnorm, self.global_clipnorm, self.clipvalue)
        ):
            # A sparse gradient may hold one row in two parts: what is to be clipped is their sum.
            grads = [None if g is None else active.arrays.to_dense(g) for g in grads]
        return super()._clip_gradients(grads)

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[keras.Variable], learning_rate: Any
    ) -> None:
        if not self._fused_update.can_update():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        known = internals.optimized_variables.of(self)
        if len(grads) == len(known) and all(map(operator.is_, trainable_variables, known)):
            gradients = dict(enumerate(grads))  # the usual case, without a search for each
        else:
            indices = map(internals.index_of_variable.of(self), trainable_variables)
            gradients = dict(zip(indices, grads, strict=True))
        self._fused_update(gradients, learning_rate, self.iterations + 1)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Applies the rule to one variable: Keras's way, which a distribution strategy takes."""
        slots = self._slots[internals.index_of_variable(self, variable)]
        change, values = in_arithmetic_dtype(self.rule)(
            ops.cast(active.arrays.to_dense(gradient), variable.dtype),
            tuple(ops.convert_to_tensor(slot) for slot in slots),
            learning_rate,
            self.iterations + 1,
        )
        for slot, value in zip(slots, values, strict=True):
            self.assign(slot, value)
        self.assign_add(variable, change)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, and what has to be imported before loading.

        Keras looks an optimizer's configuration up by the bare name of the class, such as "Adam";
        its own class refuses the entry, and the error shows it.
        """
        return {**super().get_config(), "requires": REMINDER}
