"""RMSProp."""

from typing import Any, ClassVar

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.first_order import Change, EpsilonMode
from keras_dlnotes.optimizers.argument_checks import (
    LearningRate,
    check_decay,
    check_epsilon,
    check_epsilon_mode,
)
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer


@registered("RMSProp")
class RMSProp(FirstOrderOptimizer):
    """RMSProp: AdaGrad with a moving average in place of the sum, so that it can speed up again.

    Use it where gradients change their size along the way (recurrent networks, plateaus) and
    AdaGrad would have slowed down for good.

    Formula: `G = γ G + (1 - γ) (∂L/∂w)²`, then `w = w - α / √(G + ε) · ∂L/∂w`

    - w → a trainable variable, any shape; ∂L/∂w → its gradient, the same shape.
    - G → the variable's `velocity` slot, the same shape, zero at the start.
    - α → `learning_rate`, γ → `rho`, ε → `epsilon`, scalars.

    Args:
        learning_rate: α, a number, a `keras.optimizers.schedules.LearningRateSchedule` or a
            callable without arguments. Defaults to 0.001.
        rho: γ, the decay rate of the average, in [0, 1). Defaults to 0.9.
        epsilon: ε, a number above 0. Defaults to 1e-7.
        epsilon_mode: `"inside"` divides by √(G + ε), as the notes do, `"outside"` by √G + ε.
            Inside, the root is never below √ε, about 3e-4 at the default: gradients smaller than
            that take smaller steps. Defaults to `"inside"`.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps` and `name`, as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `rho` is outside [0, 1), `epsilon` not above 0, `epsilon_mode` unknown, or
            `learning_rate` negative or not finite.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.RMSProp(learning_rate=1e-3, rho=0.9), loss="mse")
    ```

    Reference: deep-learning notes, "RMSProp Update"; Tieleman and Hinton, "Lecture 6.5: rmsprop",
    Coursera, 2012.
    """

    slot_names = ("velocity",)
    keras_arguments: ClassVar[dict[str, tuple[Any, str]]] = {
        "momentum": (0.0, "kd.optimizers.Adam, which has both, or keras.optimizers.RMSprop"),
        "centered": (False, "keras.optimizers.RMSprop"),
    }

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-7,
        epsilon_mode: EpsilonMode = "inside",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = check_decay("rho", rho)
        self.epsilon = check_epsilon(epsilon)
        self.epsilon_mode = check_epsilon_mode(epsilon_mode)

    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """See `numerics.first_order.rmsprop`."""
        (mean_square,) = slots
        return first_order.rmsprop(
            gradient, mean_square, learning_rate, self.rho, self.epsilon, self.epsilon_mode
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"rho": self.rho, "epsilon": self.epsilon, "epsilon_mode": self.epsilon_mode}
        return {**super().get_config(), **own}
