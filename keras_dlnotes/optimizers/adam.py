"""Adam."""

from typing import Any, ClassVar

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.first_order import AdamEpsilonMode, Change
from keras_dlnotes.optimizers.argument_checks import (
    LearningRate,
    check_decay,
    check_epsilon,
    check_epsilon_mode,
)
from keras_dlnotes.optimizers.first_order_optimizer import FirstOrderOptimizer


@registered("Adam")
class Adam(FirstOrderOptimizer):
    """Adam: momentum's average of the gradient over RMSProp's average of its square.

    Use it as the first choice for a new network. By default both averages start at zero and are
    not corrected for it, as the notes write the rule; the first steps then are about
    `(1 - β₁) / √(1 - β₂)`, at the defaults three times, as large as with the correction.

    Formula: `m = β₁ m + (1 - β₁) ∂L/∂w`, `v = β₂ v + (1 - β₂) (∂L/∂w)²`, then
    `w = w - α / √(v + ε) · m`

    - w → a trainable variable, any shape; ∂L/∂w → its gradient, the same shape.
    - m → the variable's `momentum` slot, v → its `velocity` slot, the same shape, zero at the
      start.
    - α → `learning_rate`, β₁ → `beta_1`, β₂ → `beta_2`, ε → `epsilon`, scalars.

    `bias_correction=True, epsilon_mode="outside"` is Kingma and Ba's Algorithm 1:
    `w = w - α m̂ / (√v̂ + ε)` with `m̂ = m / (1 - β₁ᵗ)`, `v̂ = v / (1 - β₂ᵗ)` in the t-th update.
    `bias_correction=True, epsilon_mode="outside_uncorrected"` is what `keras.optimizers.Adam`
    computes, `w = w - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)`, with another weight of ε in the
    first steps.

    Args:
        learning_rate: α, a number, a `keras.optimizers.schedules.LearningRateSchedule` or a
            callable without arguments. Defaults to 0.001.
        beta_1: β₁, the decay rate of the gradient's average, in [0, 1). Defaults to 0.9.
        beta_2: β₂, the decay rate of the square's average, in [0, 1). Defaults to 0.999.
        epsilon: ε, a number above 0. Defaults to 1e-7.
        bias_correction: Whether to divide the averages by what they lack from starting at zero.
            Defaults to `False`.
        epsilon_mode: `"inside"` divides by √(v + ε), as the notes do, `"outside"` by √v + ε.
            `"outside_uncorrected"` adds ε to √v before the correction, and is the same as
            `"outside"` without it. Inside, the root is never below √ε, about 3e-4 at the default:
            gradients smaller than that take smaller steps. Defaults to `"inside"`.
        **kwargs: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`,
            `gradient_accumulation_steps` and `name`, as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if `beta_1` or `beta_2` is outside [0, 1), `epsilon` not above 0,
            `epsilon_mode` unknown, or `learning_rate` negative or not finite.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.Adam(learning_rate=1e-3), loss="mse")
    kingma_and_ba = kd.optimizers.Adam(1e-3, bias_correction=True, epsilon_mode="outside")
    as_keras = kd.optimizers.Adam(
        1e-3, bias_correction=True, epsilon_mode="outside_uncorrected"
    )
    ```

    Reference: deep-learning notes, "Adam Update"; Kingma and Ba, "Adam: A Method for Stochastic
    Optimization", 2015, Algorithm 1.
    """

    slot_names = ("momentum", "velocity")
    keras_arguments: ClassVar[dict[str, tuple[Any, str]]] = {
        "amsgrad": (False, "keras.optimizers.Adam")
    }

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        bias_correction: bool = False,
        epsilon_mode: AdamEpsilonMode = "inside",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = check_decay("beta_1", beta_1)
        self.beta_2 = check_decay("beta_2", beta_2)
        self.epsilon = check_epsilon(epsilon)
        self.bias_correction = bool(bias_correction)
        self.epsilon_mode = check_epsilon_mode(epsilon_mode, first_order.ADAM_EPSILON_MODES)

    def rule(self, gradient: Any, slots: tuple[Any, ...], learning_rate: Any, step: Any) -> Change:
        """See `numerics.first_order.adam`."""
        mean, mean_square = slots
        return first_order.adam(
            gradient,
            mean,
            mean_square,
            learning_rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            self.epsilon_mode,
            step if self.bias_correction else None,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "bias_correction": self.bias_correction,
            "epsilon_mode": self.epsilon_mode,
        }
