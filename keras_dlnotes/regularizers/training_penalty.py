"""What the regularizers share: a penalty on weights that is part of the training loss alone."""

import abc
from typing import Any

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.backend.dtypes import arithmetic_dtype


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
