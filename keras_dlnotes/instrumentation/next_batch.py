"""A look at the batch on which the next train step runs."""

from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.backend import active


class NextBatch:
    """Shows a function the batch on which the next train step runs; the step gets it all the same.

    It stands in for `model.train_function` until that is called once.

    Args:
        model: a compiled model inside `fit`.
        function: called before the step with the batch, `(x, y, sample_weight)` or shorter.
    """

    def __init__(self, model: keras.Model, function: Callable[[Any], Any]) -> None:
        self._model = model
        self._function = function
        self._plain = model.train_function
        model.train_function = self._run

    def remove(self) -> None:
        """Gives the model its train function back, whether the step has come or not."""
        if self._model.train_function == self._run:
            self._model.train_function = self._plain

    def _run(self, *arguments: Any) -> Any:
        self.remove()
        batch, arguments = active.train_function.peek(self._model, arguments)
        with active.train_function.readable_variables(self._model, arguments):
            self._function(batch)
        return self._plain(*arguments)
