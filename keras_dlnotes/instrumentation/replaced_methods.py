"""Methods of a model, replaced for the length of one `fit`, however that ends."""

from typing import Any

from keras_dlnotes.backend import active


class ReplacedMethods:
    """Replaces methods of a model from a callback's `set_model` until `fit` ends or raises.

    A callback calls `start` in `on_train_begin`, `arm` in `on_train_batch_begin` and `remove` in
    `on_train_end`. Keras tells callbacks nothing when `fit` raises; so the train function is
    guarded: if it raises, or is called again by a `fit` that this callback is no part of, the
    model's own methods come back first.

    What a train function with the same replacements has compiled, the next `fit` uses again, as
    Keras does with its own.

    Args:
        model: A compiled Keras model.
        replacements: A dictionary of method names and functions that take the model's own method
            and return the one to stand in for it.
        removed: Called without arguments after the methods have come back, or `None`.
        settings: A tuple of what else the replacements depend on, compared by `==`.
    """

    def __init__(self, model, replacements, removed=None, settings=()):
        self._model = model
        self._names = list(replacements)
        self._removed = removed
        self._armed = False
        self._plain: Any = None
        for name, replacement in replacements.items():
            before = getattr(getattr(model, name), "replaced_methods", None)
            if before is not None and before.is_left_behind(replacement):
                before.remove()
            own = getattr(model, name)
            function = replacement(own)
            below = getattr(own, "made_of", getattr(own, "__func__", own))
            function.made_of = (replacement.__qualname__, settings, below)
            function.replaced_methods = self
            # Past the model's own attribute tracking: this is no part of the model.
            object.__setattr__(model, name, function)
        model.train_function = None

    def is_left_behind(self, replacement):
        """Whether an earlier `fit` ended by an exception: this one's callbacks start later.

        Two callbacks of one `fit` may replace one method, each in its own way, but no callback may
        do it twice.
        """
        replaced = [vars(self._model).get(name) for name in self._names]
        own = [function.made_of[0] for function in replaced if hasattr(function, "made_of")]
        return self._plain is not None or replacement.__qualname__ in own

    def start(self):
        """Guards the train function, which Keras has made by now."""
        self._plain = self._model.train_function
        if not isinstance(getattr(self._plain, "__self__", None), ReplacedMethods):
            self._plain = self._as_compiled(self._plain)
        self._model.train_function = self._run

    def _as_compiled(self, made):
        """The train function of an earlier `fit`, if it is the same as the one just made."""
        model = self._model
        key = (
            {n: f.made_of for n, f in vars(model).items() if hasattr(f, "made_of")},
            getattr(model, "_compile_config", None),
            model.optimizer,
            (model.run_eagerly, model.jit_compile, model.steps_per_execution),
        )
        known, function = vars(model).get("_compiled_with_replacements", (None, None))
        if known == key:
            return function
        object.__setattr__(model, "_compiled_with_replacements", (key, made))
        return made

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
