"""L2 regularization."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import penalties
from keras_dlnotes.regularizers.training_penalty import TrainingPenalty


@registered("L2")
class TrainingL2(TrainingPenalty):
    r"""L2 regularization: keeps weights small, in training only.

    Use it against overfitting, where every input may matter a little. With
    `keras.regularizers.L2` the penalty is also in `val_loss` and `evaluate`; here it is not.

    Formula: \(L_{reg} = L + \lambda \Omega(w)\) with \(\Omega(w) = \frac{1}{2} \sum_i w_i^2\).

    - \(\lambda\) → `strength`.
    - \(w\) → the variable that the regularizer is given to, any shape.

    The half makes the gradient \(\lambda w\); `keras.regularizers.L2(l2)` has none, so it equals
    `L2(strength=2 * l2)`.

    Args:
        strength: finite number of at least 0.

    Raises:
        ValueError: if `strength` is not such a number.

    Example:
    ```python
    layer = keras.layers.Dense(64, "relu", kernel_regularizer=kd.regularizers.L2(1e-3))
    ```

    Reference: deep-learning notes, "L2 Regularization"; Krogh and Hertz, "A Simple Weight Decay
    Can Improve Generalization", 1991, equation 2.
    """

    def __init__(self, strength: float = 0.01) -> None:
        self.strength = penalties.check_strength("strength", strength)

    def penalty(self, weights: Any) -> Any:
        """λ ½ Σ wᵢ², in training or not."""
        return penalties.scaled(self.strength, penalties.half_sum_of_squares, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"strength": self.strength}


# Keras looks a regularizer up by the bare name of its class, and has an L2 of its own.
L2 = TrainingL2
