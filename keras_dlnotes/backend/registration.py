"""Registers classes with Keras, so that saved models find them and never another in their place."""

from collections.abc import Callable
from typing import TypeVar

import keras

PACKAGE = "keras_dlnotes"
REMINDER = f"import {PACKAGE}"
_Class = TypeVar("_Class", bound=type)


def registered(name: str) -> Callable[[_Class], _Class]:
    """Registers a class for saving under a name that says what to import before loading.

    Where the package was not imported, Keras does not know the class. Its error shows what was
    saved of the object, the registered name among it, and cannot be worded otherwise. But for some
    objects Keras then tries the bare name of the class, and takes its own class of that name. So
    regularizers have class names that Keras has not, and the configuration of the first-order
    optimizers has an entry that Keras's optimizers refuse.

    Args:
        name: What the class is called in the package. Older files hold
            `keras_dlnotes>` and this, so that name stays registered too.

    Returns:
        A decorator that returns the class itself.

    Example:
    ```python
    @registered("Momentum")
    class Momentum(FirstOrderOptimizer): ...
    ```
    """

    def register(item: _Class) -> _Class:
        register_as = keras.saving.register_keras_serializable
        register_as(PACKAGE, name)(item)
        # The last one is the name that is saved.
        return register_as(PACKAGE, f"{name} ({REMINDER})")(item)

    return register
