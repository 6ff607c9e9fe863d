"""Penalties on weights that are part of the training loss alone."""

import abc
from typing import Any

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.backend.dtypes import arithmetic_dtype
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import penalties


class TrainingPenalty(keras.Regularizer, abc.ABC):
    """A regularizer whose penalty exists only while a gradient is being recorded.

    That is in training, and there it is part of the loss in value and gradient, so that a line
    search sees numbers that agree. `evaluate`, `val_loss` and `test_on_batch` show the bare loss,
    as does a loss computed outside any gradient; `penalty(w)` gives the penalty itself.

    A loop of one's own gets the penalty where `model.losses` is read inside a `tf.GradientTape` or
    a function that `jax.grad` differentiates; on torch everywhere but under `torch.no_grad()`.

    Formula: L_reg = L + λ Ω(w); a subclass gives λ Ω(w) in `penalty`.
    """

    @abc.abstractmethod
    def penalty(self, weights: Any) -> Any:
        """The penalty λ Ω(w), in training or not.

        Args:
            weights: array of any shape.

        Returns:
            A scalar.
        """

    def __call__(self, x: Any) -> Any:
        """The penalty while a gradient is being recorded, else 0."""
        weights = ops.convert_to_tensor(x)
        weights = ops.cast(weights, arithmetic_dtype(weights.dtype))
        return active.recording.only_while_recording(self.penalty, weights)


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
