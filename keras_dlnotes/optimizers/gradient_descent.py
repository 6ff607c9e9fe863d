"""Gradient descent."""

from typing import Any, ClassVar

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.first_order import Change
from keras_dlnotes.optimizers.argument_checks import LearningRate
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer


@registered("GradientDescent")
class GradientDescent(FirstOrderOptimizer):
    """Gradient descent: a step down the slope, proportional to its steepness.

    Use it as the plain baseline, or where the other rules' state would not fit into memory. On
    plateaus and in narrow valleys it is slow.

    Formula: `w = w - α ∂L/∂w`

    - w → a trainable variable, any shape; ∂L/∂w → its gradient, the same shape.
    - α → `learning_rate`, a scalar.

    Args:
        learning_rate: α, a number, a `keras.optimizers.schedules.LearningRateSchedule` or a
            callable without arguments. Defaults to 0.01.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps` and `name`, as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `learning_rate` is negative or not finite.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.GradientDescent(learning_rate=0.1), loss="mse")
    ```

    Reference: deep-learning notes, "Gradient Descent Update".
    """

    keras_arguments: ClassVar[dict[str, tuple[Any, str]]] = {
        "nesterov": (False, "kd.optimizers.NesterovMomentum"),
        "momentum": (0.0, "kd.optimizers.Momentum, or kd.optimizers.NesterovMomentum"),
    }

    def __init__(self, learning_rate: LearningRate = 0.01, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)

    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """See `numerics.first_order.gradient_descent`."""
        return first_order.gradient_descent(gradient, learning_rate)
