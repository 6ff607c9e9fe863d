"""Methods of a model, replaced for the length of one `fit`, however that ends."""

from typing import Any

from keras_dlnotes.backend import active


class ReplacedMethods:
    """Replaces methods of a model from a callback's `set_model` until `fit` ends or raises.

    A callback calls `start` in `on_train_begin`, `arm` in `on_train_batch_begin` and `remove` in
    `on_train_end`. Keras tells callbacks nothing when `fit` raises; so the train function is
    guarded: if it raises, or is called again by a `fit` that this callback is no part of, the
    model's own methods come back first.

    Args:
        model: A compiled Keras model.
        replacements: A dictionary of method names and functions that take the model's own method
            and return the one to stand in for it.
        removed: Called without arguments after the methods have come back, or `None`.
    """

    def __init__(self, model, replacements, removed=None):
        self._model = model
        self._names = list(replacements)
        self._removed = removed
        self._armed = False
        self._plain: Any = None
        for name, replacement in replacements.items():
            left_behind = getattr(getattr(model, name), "replaced_methods", None)
            if left_behind is not None:
                left_behind.remove()
            function = replacement(getattr(model, name))
            function.replaced_methods = self
            # Past the model's own attribute tracking: this is no part of the model.
            object.__setattr__(model, name, function)
        model.train_function = None

    def start(self):
        """Guards the train function, which Keras has made by now."""
        self._plain = self._model.train_function
        self._model.train_function = self._run

    def arm(self):
        """Says that the next call of the train function belongs to this `fit`."""
        self._armed = True

    def remove(self):
        """Gives the model its own methods back, and has its train function made anew."""
        if not self._names:
            return
        for name in self._names:
            vars(self._model).pop(name, None)
        self._names = []
        self._model.train_function = None
        if self._removed is not None:
            self._removed()

    def _run(self, *arguments):
        armed, self._armed = self._armed, False
        if not armed:
            self.remove()
            self._model.make_train_function(force=True)
            return self._model.train_function(*arguments)
        try:
            return self._plain(*arguments)
        except active.iteration.END_OF_DATA:
            raise  # the end of an epoch
        except BaseException:
            self.remove()
            raise
