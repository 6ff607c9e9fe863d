"""Momentum."""

from typing import Any, ClassVar

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.first_order import Change
from keras_dlnotes.optimizers.argument_checks import LearningRate, check_momentum
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer


@registered("Momentum")
class Momentum(FirstOrderOptimizer):
    """Momentum: a ball rolling down the hill, faster where the slope keeps its direction.

    Use it where plain descent zigzags across a narrow valley or stops at small bumps.

    Formula: `v = μ v - α ∂L/∂w`, then `w = w + v`

    - w → a trainable variable, any shape; ∂L/∂w → its gradient, the same shape.
    - v → the variable's `momentum` slot, the same shape, zero at the start.
    - α → `learning_rate`, μ → `momentum`, scalars.

    Args:
        learning_rate: α, a number, a `keras.optimizers.schedules.LearningRateSchedule` or a
            callable without arguments. Defaults to 0.01.
        momentum: μ, the part of the velocity kept at each step, in [0, 1]. Defaults to 0.9.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps` and `name`, as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `momentum` is outside [0, 1], or `learning_rate` negative or not finite.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.Momentum(0.01, momentum=0.9), loss="mse")
    ```

    Reference: deep-learning notes, "Momentum Update"; Polyak, "Some methods of
    speeding up the convergence of iteration methods", 1964.
    """

    slot_names = ("momentum",)
    keras_arguments: ClassVar[dict[str, tuple[Any, str]]] = {
        "nesterov": (False, "kd.optimizers.NesterovMomentum")
    }

    def __init__(
        self, learning_rate: LearningRate = 0.01, momentum: float = 0.9, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = check_momentum(momentum)

    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """See `numerics.first_order.momentum`."""
        (velocity,) = slots
        return first_order.momentum(gradient, velocity, learning_rate, self.momentum)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "momentum": self.momentum}
