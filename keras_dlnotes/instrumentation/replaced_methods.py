"""Methods of a model, replaced for the length of one `fit`, however that ends."""

from typing import Any

import keras

from keras_dlnotes.backend import active, internals


class ReplacedMethods:
    """Replaces methods of a model while `fit` runs, however that ends.

    A callback makes it in `set_model`, and calls `start` in `on_train_begin`, `arm` in
    `on_train_batch_begin` and `remove` in `on_train_end`. Keras tells callbacks nothing when `fit`
    raises; so the train function is guarded: if it raises, or is called again by a `fit` that this
    callback is no part of, the model's own methods come back first. Several callbacks may replace
    one method; the last one's stands outermost.

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
        self._replacements = replacements
        self._removed = removed
        self._settings = settings
        self._started = False
        self._armed = False
        self._plain: Any = None
        # All callbacks of a `fit` are made before the first starts: these are of an earlier one.
        _remove_all(model)

    def start(self):
        """Puts the replacements in, and guards the train function."""
        model = self._model
        self._started = True
        for name, replacement in self._replacements.items():
            own = getattr(model, name)
            function = replacement(own)
            below = getattr(own, "made_of", getattr(own, "__func__", own))
            function.made_of = (replacement.__qualname__, self._settings, below)
            function.replaced_methods = self
            # Past the model's own attribute tracking: this is no part of the model.
            object.__setattr__(model, name, function)
        key = _what_is_compiled(model)
        known, function = vars(model).get(_COMPILED, (None, None))
        if known != key:
            model.make_train_function(force=True)
            function = model.train_function
            object.__setattr__(model, _COMPILED, (key, function))
        self._plain = function
        model.train_function = self._run

    def arm(self):
        """Says that the next call of the train function belongs to this `fit`."""
        self._armed = True

    def remove(self):
        """Gives the model its own methods back, and has its train function made anew."""
        if not self._started:
            return
        self._started = False
        for name in self._replacements:
            vars(self._model).pop(name, None)
        self._model.train_function = None
        if self._removed is not None:
            self._removed()

    def _run(self, *arguments):
        armed, self._armed = self._armed, False
        if not armed:
            _remove_all(self._model, self)
            self._model.make_train_function(force=True)
            return self._model.train_function(*arguments)
        try:
            return self._plain(*arguments)
        except active.train_function.END_OF_DATA:
            raise  # the end of an epoch
        except BaseException:
            _remove_all(self._model, self)
            raise


_COMPILED = "_compiled_with_replacements"


def _remove_all(model, *others):
    """Removes the replacements that the model has, and others."""
    functions = [f for f in list(vars(model).values()) if hasattr(f, "replaced_methods")]
    for found in (*(function.replaced_methods for function in functions), *others):
        found.remove()


def _what_is_compiled(model):
    """What a train function depends on, as far as it may change without `compile`."""
    names = ("train_step", "compute_loss")
    own = {name: vars(model)[name] for name in names if name in vars(model)}
    settings = {
        name: value
        for name, value in vars(model.optimizer).items()
        if isinstance(value, bool | int | float | str | None) and not name.startswith("_")
    }
    settings.pop("built", None)
    return (
        {name: getattr(function, "made_of", function) for name, function in own.items()},
        internals.compile_config.of(model, None),
        model.optimizer,
        settings,
        (model.run_eagerly, model.jit_compile, model.steps_per_execution),
        keras.distribution.distribution(),
        # `quantize` makes others. The function holds them, so no other takes an identity.
        [id(variable) for variable in model.weights],
    )
