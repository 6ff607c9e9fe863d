"""Methods of a model, replaced for the length of one `fit` or until the next step."""

from collections.abc import Callable
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

    def __init__(
        self,
        model: keras.Model,
        replacements: dict[str, Callable[..., Any]],
        removed: Callable[[], Any] | None = None,
        settings: tuple[Any, ...] = (),
    ) -> None:
        self._model = model
        self._replacements = replacements
        self._removed = removed
        self._settings = settings
        self._started = False
        self._armed = False
        self._plain: Any = None
        self._before: dict[str, Any] = {}  # methods that the user has put on the model
        # All callbacks of a `fit` are made before the first starts: these are of an earlier one.
        remove_all(model)

    def start(self) -> None:
        """Puts the replacements in, and guards the train function."""
        model = self._model
        self._started = True
        for name, replacement in self._replacements.items():
            own = getattr(model, name)
            if name in vars(model):
                other = getattr(own, "replaced_methods", None)
                if other is None:
                    self._before[name] = own
                elif name in other._before:
                    self._before[name] = other._before[name]
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

    def arm(self) -> None:
        """Says that the next call of the train function belongs to this `fit`."""
        self._armed = True

    def remove(self) -> None:
        """Gives the model its own methods back, and has its train function made anew."""
        if not self._started:
            return
        self._started = False
        for name in self._replacements:
            vars(self._model).pop(name, None)
        for name, function in self._before.items():
            object.__setattr__(self._model, name, function)
        self._model.train_function = None
        if self._removed is not None:
            self._removed()

    def _run(self, *arguments: Any) -> Any:
        armed, self._armed = self._armed, False
        if not armed:
            remove_all(self._model, self)
            self._model.make_train_function(force=True)
            return self._model.train_function(*arguments)
        try:
            return self._plain(*arguments)
        except active.train_function.END_OF_DATA:
            raise  # the end of an epoch
        except BaseException:
            remove_all(self._model, self)
            raise


_COMPILED = "_compiled_with_replacements"


def remove_all(model: keras.Model, *others: ReplacedMethods) -> None:
    """Removes the replacements that the model has, and others."""
    functions = [f for f in list(vars(model).values()) if hasattr(f, "replaced_methods")]
    for found in (*(function.replaced_methods for function in functions), *others):
        found.remove()


def _what_is_compiled(model: keras.Model) -> Any:
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
