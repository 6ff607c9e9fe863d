"""The notes' six first-order update rules, elementwise.

Each rule takes the gradient g = ∂L/∂w, its state (arrays of the gradient's shape), the learning
rate α and its hyperparameters, and returns the change Δw, to be added to w, and the new state as a
tuple. They compute in the arrays' own dtype and belong to no backend.

The root that divides a step is √(G + ε) with `epsilon_mode="inside"`, as the notes write it, and
√G + ε with `"outside"`. Adam also has `"outside_uncorrected"`.
"""

from typing import Any, Literal, get_args

from keras import ops

EpsilonMode = Literal["inside", "outside"]
AdamEpsilonMode = Literal["inside", "outside", "outside_uncorrected"]
EPSILON_MODES: tuple[str, ...] = get_args(EpsilonMode)
ADAM_EPSILON_MODES: tuple[str, ...] = get_args(AdamEpsilonMode)
# What a rule returns: the change of w, and the new state.
Change = tuple[Any, tuple[Any, ...]]


def gradient_descent(gradient: Any, learning_rate: Any) -> Change:
    """Gradient descent: Δw = -α g."""
    return -learning_rate * gradient, ()


def momentum(gradient: Any, velocity: Any, learning_rate: Any, momentum: float) -> Change:
    """Momentum: v ← μ v - α g, then Δw = v; v → `velocity`, μ → `momentum`."""
    velocity = momentum * velocity - learning_rate * gradient
    return velocity, (velocity,)


def nesterov_momentum(gradient: Any, velocity: Any, learning_rate: Any, momentum: float) -> Change:
    """Nesterov momentum: v ← μ v - α g, then Δw = μ v - α g; v → `velocity`, μ → `momentum`."""
    descent = learning_rate * gradient
    velocity = momentum * velocity - descent
    return momentum * velocity - descent, (velocity,)


def adagrad(
    gradient: Any,
    accumulator: Any,
    learning_rate: Any,
    epsilon: float,
    epsilon_mode: EpsilonMode = "inside",
) -> Change:
    """AdaGrad: G ← G + g², then Δw = -α g / √(G + ε); G → `accumulator`, ε → `epsilon`."""
    accumulator = accumulator + gradient * gradient
    root = _root(accumulator, epsilon, epsilon_mode)
    return -learning_rate * gradient / root, (accumulator,)


def rmsprop(
    gradient: Any,
    mean_square: Any,
    learning_rate: Any,
    rho: float,
    epsilon: float,
    epsilon_mode: EpsilonMode = "inside",
) -> Change:
    """RMSProp: G ← γ G + (1 - γ) g², then Δw = -α g / √(G + ε); G → `mean_square`, γ → `rho`."""
    mean_square = rho * mean_square + (1 - rho) * (gradient * gradient)
    root = _root(mean_square, epsilon, epsilon_mode)
    return -learning_rate * gradient / root, (mean_square,)


def adam(
    gradient: Any,
    mean: Any,
    mean_square: Any,
    learning_rate: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    epsilon_mode: AdamEpsilonMode = "inside",
    step: Any = None,
) -> Change:
    """Adam: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², then Δw = -α m / √(v + ε).

    m → `mean`, v → `mean_square`. With `step` (t, counted from 1, a scalar array) both are first
    divided by what they lack from starting at zero, m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ): with
    `epsilon_mode="outside"` this is Kingma and Ba's Algorithm 1.

    `"outside_uncorrected"` is their faster form at the end of section 2, and Keras's: ε is added to
    the root before the correction, Δw = -α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε), which is as if
    it were ε / √(1 - β₂ᵗ) in Algorithm 1.
    """
    mean = beta_1 * mean + (1 - beta_1) * gradient
    mean_square = beta_2 * mean_square + (1 - beta_2) * (gradient * gradient)
    corrected, corrected_square, rate = mean, mean_square, learning_rate
    if step is not None:
        rate = learning_rate / (1 - beta_1**step)
        if epsilon_mode == "outside_uncorrected":
            rate = rate * (1 - beta_2**step) ** 0.5
        else:
            corrected_square = mean_square / (1 - beta_2**step)
    root = _root(corrected_square, epsilon, epsilon_mode)
    return -rate * corrected / root, (mean, mean_square)


def _root(square: Any, epsilon: float, epsilon_mode: AdamEpsilonMode) -> Any:
    if epsilon_mode == "inside":
        return _sqrt(square + epsilon)
    return _sqrt(square) + epsilon


def _sqrt(array: Any) -> Any:
    # Some arrays bring their own root, and `Scaled` of torch's `fused_update` is known to no other.
    return array.sqrt() if hasattr(array, "sqrt") else ops.sqrt(array)
