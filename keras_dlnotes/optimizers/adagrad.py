"""AdaGrad."""

from typing import Any

import keras

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.first_order import Change, EpsilonMode
from keras_dlnotes.optimizers.argument_checks import (
    LearningRate,
    check_epsilon,
    check_epsilon_mode,
    check_initial_value,
)
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer


@registered("AdaGrad")
class AdaGrad(FirstOrderOptimizer):
    """AdaGrad: a step size for every weight, divided by the size of all its past gradients.

    Use it for sparse features (embeddings, bags of words), where a rare weight should still take
    big steps. The sum only grows, so the steps shrink for good.

    Formula: `G = G + (∂L/∂w)²`, then `w = w - α / √(G + ε) · ∂L/∂w`

    - w → a trainable variable, any shape; ∂L/∂w → its gradient, the same shape.
    - G → the variable's `accumulator` slot, the same shape, `initial_accumulator_value` at the
      start.
    - α → `learning_rate`, ε → `epsilon`, scalars.

    Args:
        learning_rate: α, a number, a `keras.optimizers.schedules.LearningRateSchedule` or a
            callable without arguments. Defaults to 0.001.
        epsilon: ε, a number above 0. Defaults to 1e-7.
        epsilon_mode: `"inside"` divides by √(G + ε), as the notes do, `"outside"` by √G + ε.
            Inside, the root is never below √ε, about 3e-4 at the default: gradients smaller than
            that take smaller steps. Defaults to `"inside"`.
        initial_accumulator_value: What G starts from, a number of at least 0. Defaults to 0, as in
            the notes; with 0.1, its own default, `keras.optimizers.Adagrad` is the same rule.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps` and `name`, as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `epsilon` is not above 0, `epsilon_mode` unknown, or
            `initial_accumulator_value` or `learning_rate` negative or not finite.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.AdaGrad(learning_rate=0.01), loss="mse")
    ```

    Reference: deep-learning notes, "AdaGrad Update"; Duchi, Hazan and Singer, "Adaptive Subgradient
    Methods for Online Learning and Stochastic Optimization", 2011.
    """

    slot_names = ("accumulator",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        epsilon: float = 1e-7,
        epsilon_mode: EpsilonMode = "inside",
        initial_accumulator_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.epsilon = check_epsilon(epsilon)
        self.epsilon_mode = check_epsilon_mode(epsilon_mode)
        name = "initial_accumulator_value"
        self.initial_accumulator_value = check_initial_value(name, initial_accumulator_value)
        self.slot_initializer = keras.initializers.Constant(self.initial_accumulator_value)

    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """See `numerics.first_order.adagrad`."""
        (accumulator,) = slots
        return first_order.adagrad(
            gradient, accumulator, learning_rate, self.epsilon, self.epsilon_mode
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "epsilon_mode": self.epsilon_mode,
            "initial_accumulator_value": self.initial_accumulator_value,
        }
