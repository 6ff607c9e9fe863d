"""What the six first-order optimizers share: slots, and one rule applied to every variable."""

import abc

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.optimizers.argument_checks import check_learning_rate


class FirstOrderOptimizer(keras.optimizers.Optimizer, abc.ABC):
    """A Keras optimizer whose update is one elementwise rule: the change of w, and the new state.

    A final class names its state (`slot_names`) and calls its pure function in `rule`. Everything
    else, schedules, clipping, weight decay, averages of the weights, gradient accumulation, is
    the base class's.

    Args:
        learning_rate: A number, a `LearningRateSchedule` or a callable without arguments.
        **kwargs: The base class's: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`,
            `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps`, `name`.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate, **kwargs):
        super().__init__(learning_rate=check_learning_rate(learning_rate), **kwargs)

    @abc.abstractmethod
    def rule(self, gradient, slots, learning_rate, step):
        """Returns the change of w and the tuple of new slots.

        Args:
            gradient: ∂L/∂w, an array.
            slots: The state, arrays of the gradient's shape, in the order of `slot_names`.
            learning_rate: α, a scalar array.
            step: The number of this update, counted from 1, a scalar array.
        """

    def build(self, variables):
        """Creates one zero variable for each weight and slot, named as Keras names them."""
        if self.built:
            return
        super().build(variables)
        slots = self.add_optimizer_variables(variables, list(self.slot_names))
        self._slots = dict(zip(self.slot_names, slots, strict=True))

    def update_step(self, gradient, variable, learning_rate):
        """Applies the rule to one variable."""
        dtype = _arithmetic_dtype(variable.dtype)
        index = self._get_variable_index(variable)
        slots = [self._slots[name][index] for name in self.slot_names]
        change, new_values = self.rule(
            ops.cast(active.sparse_gradients.to_dense(gradient), dtype),
            tuple(ops.cast(slot, dtype) for slot in slots),
            ops.cast(learning_rate, dtype),
            ops.cast(self.iterations + 1, dtype),
        )
        for slot, value in zip(slots, new_values, strict=True):
            self.assign(slot, ops.cast(value, slot.dtype))
        self.assign_add(variable, ops.cast(change, variable.dtype))


def _arithmetic_dtype(dtype):
    """16-bit variables are updated in 32 bits: in bfloat16 the number 0.999 is 1."""
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype
