"""The averaged weights of an optimizer with `use_ema=True`, in the model while it is judged."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import inner_optimizer


class AveragedWeights:
    """Puts the averages into the model while it is judged, and the trained weights back.

    When `fit` ends, Keras gives a model whose optimizer averages its weights the averages, so
    these are what the user predicts with. Until then the model holds the weights of the last step.
    Without such an optimizer this does nothing.

    `keras.callbacks.SwapEMAWeights`, if it is in the same list of callbacks, swaps them by itself:
    then they are put in only where it has not done so.

    Args:
        callback: whose `fit` it is.

    Attributes:
        trained: the weights that are trained, while the averages are in the model; else None.
    """

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        self._model = callback.model
        self.trained: list[Any] | None = None
        self._swapping: list[Any] = []
        optimizer = inner_optimizer(self._model)
        # A `MultiOptimizer` knows its optimizers when it is built, perhaps by the first step.
        if getattr(optimizer, "use_ema", False) or hasattr(optimizer, "optimizers"):
            lists = [item for item in gc.get_referrers(callback) if isinstance(item, list)]
            kind = keras.callbacks.SwapEMAWeights
            self._swapping = [c for each in lists for c in each if isinstance(c, kind)]

    def put_in(self) -> None:
        """Puts the averages in, to stay until `take_out`, unless `SwapEMAWeights` does."""
        if not self._swapping:
            self._put_in()

    @contextlib.contextmanager
    def in_model(self) -> Iterator[None]:
        """The averages are in the model while the block runs."""
        are_in = internals.averages_are_in_model.of
        were_in = self.trained is not None or any(map(are_in, self._swapping))
        if not were_in:
            self._put_in()
        try:
            yield
        finally:
            if not were_in:
                self.take_out()

    def take_out(self) -> None:
        """Gives the model the weights that are trained."""
        trained, self.trained = self.trained, None
        if trained is not None:
            for (variable, _), value in zip(self._pairs(), trained, strict=True):
                variable.assign(value)

    def take_out_of(self, model: keras.Model) -> None:
        """`take_out`, if the averages are still in this model: nobody has set its weights since."""
        if self._model is model and self.trained is not None:
            same = [
                np.array_equal(ops.convert_to_numpy(variable), ops.convert_to_numpy(average))
                for variable, average in self._pairs()
            ]
            if len(same) == len(self.trained) and all(same):
                self.take_out()

    def _put_in(self) -> None:
        pairs = self._pairs()
        if pairs and self.trained is None:
            self.trained = [ops.convert_to_numpy(variable).copy() for variable, _ in pairs]
            for variable, average in pairs:
                # By way of the host: on JAX two variables must not share one buffer.
                variable.assign(ops.convert_to_numpy(average).copy())

    def _optimizers(self) -> list[Any]:
        optimizer = inner_optimizer(self._model)
        several = getattr(optimizer, "optimizers", None)  # a MultiOptimizer
        return [o for o in several or [optimizer] if hasattr(o, "use_ema")]

    def _pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """List of `(variable, its average)`; an optimizer makes the averages when it is built."""
        return [
            (variable, average)
            for optimizer in self._optimizers()
            if optimizer.use_ema and optimizer.built
            for variable, average in zip(
                internals.optimized_variables.of(optimizer),
                internals.averages_of_weights.of(optimizer),
                strict=True,
            )
            if average is not None
        ]
