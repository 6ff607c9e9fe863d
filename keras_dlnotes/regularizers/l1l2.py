"""L1 and L2 regularization together."""

from typing import Any

from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import penalties
from keras_dlnotes.regularizers.training_penalty import TrainingPenalty


@registered("L1L2")
class TrainingL1L2(TrainingPenalty):
    r"""L1 and L2 regularization together (the elastic net), in training only.

    Use it for L1's sparsity where inputs are correlated: L1 alone picks one of them at random.

    Formula: \(L_{reg} = L + \lambda_1 \sum_i |w_i| + \lambda_2 \frac{1}{2} \sum_i w_i^2\).

    - \(\lambda_1\) → `l1`, \(\lambda_2\) → `l2`.
    - \(w\) → the variable that the regularizer is given to, any shape.

    Like `L2` and unlike Keras's it has the half: `keras.regularizers.L1L2(a, b)` equals
    `L1L2(a, 2 * b)`.

    Args:
        l1: finite number of at least 0.
        l2: finite number of at least 0.

    Raises:
        ValueError: if one of them is not such a number.

    Example:
    ```python
    elastic_net = kd.regularizers.L1L2(l1=1e-4, l2=1e-3)
    layer = keras.layers.Dense(64, "relu", kernel_regularizer=elastic_net)
    ```

    Reference: deep-learning notes, "Regularization"; Zou and Hastie, "Regularization and Variable
    Selection via the Elastic Net", 2005, equation 3.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = penalties.check_strength("l1", l1)
        self.l2 = penalties.check_strength("l2", l2)

    def penalty(self, weights: Any) -> Any:
        """λ₁ Σ |wᵢ| + λ₂ ½ Σ wᵢ², in training or not."""
        magnitudes = penalties.scaled(self.l1, penalties.sum_of_magnitudes, weights)
        return magnitudes + penalties.scaled(self.l2, penalties.half_sum_of_squares, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"l1": self.l1, "l2": self.l2}


# Keras looks a regularizer up by the bare name of its class, and has an L1L2 of its own.
L1L2 = TrainingL1L2
