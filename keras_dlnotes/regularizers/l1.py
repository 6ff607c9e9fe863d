"""L1 regularization."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import penalties
from keras_dlnotes.regularizers.training_penalty import TrainingPenalty


@registered("L1")
class TrainingL1(TrainingPenalty):
    r"""L1 regularization: drives weights that matter little to zero, in training only.

    Use it where few of the inputs matter and you want to see which. With `keras.regularizers.L1`
    the penalty is also in `val_loss` and `evaluate`; here it is not.

    Formula: \(L_{reg} = L + \lambda \Omega(w)\) with \(\Omega(w) = \sum_i |w_i|\).

    - \(\lambda\) → `strength`.
    - \(w\) → the variable that the regularizer is given to, any shape.

    Its slope is λ sign(w), and 0 at w = 0. A step of the optimizer jumps over 0 rather than
    stopping there, so weights come to lie within about learning rate times λ of it: count those
    below a threshold, not those that equal 0. The second-order optimizers expect a smooth loss and
    end at such a kink with the status "line search failed" or "trust region failed".

    Args:
        strength: finite number of at least 0.

    Raises:
        ValueError: if `strength` is not such a number.

    Example:
    ```python
    layer = keras.layers.Dense(64, "relu", kernel_regularizer=kd.regularizers.L1(1e-4))
    ```

    Reference: deep-learning notes, "L1 Regularization"; Tibshirani, "Regression Shrinkage and
    Selection via the Lasso", 1996, equation 1.
    """

    def __init__(self, strength: float = 0.01) -> None:
        self.strength = penalties.check_strength("strength", strength)

    def penalty(self, weights: Any) -> Any:
        """λ Σ |wᵢ|, in training or not."""
        return penalties.scaled(self.strength, penalties.sum_of_magnitudes, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"strength": self.strength}


# Keras looks a regularizer up by the bare name of its class, and has an L1 of its own.
L1 = TrainingL1
