"""Deep-learning notes as working Keras parts.

    import keras_dlnotes as kd

    model.compile(optimizer=kd.optimizers.Adam(learning_rate=1e-3), loss="mse")
    model.fit(x, y, callbacks=[kd.callbacks.TrainingMonitor("logs/first_run")])

`ARCHITECTURE.md` in the repository names the floors and where each part lives.
"""

import importlib
import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING, Any

from keras_dlnotes import (
    augmentation,
    callbacks,
    constraints,
    initializers,
    layers,
    moved_modules,
    optimizers,
    plots,
    regularizers,
    stopping,
    text_names,
)
from keras_dlnotes.diagnose import diagnose
from keras_dlnotes.gradient_check import assert_gradients, check_gradients
from keras_dlnotes.repair import repair

__all__ = [
    "assert_gradients",
    "augmentation",
    "callbacks",
    "check_gradients",
    "constraints",
    "diagnose",
    "initializers",
    "layers",
    "optimizers",
    "plots",
    "regularizers",
    "repair",
    "stopping",
]
__version__ = "0.1.0"
moved_modules.register()
text_names.register()


def _has_optuna() -> bool:
    try:
        found = importlib.util.find_spec("optuna") and importlib.util.find_spec("filelock")
        return bool(found) and int(importlib.metadata.version("optuna").split(".")[0]) >= 5
    except (ImportError, ValueError):
        return False


# Tuning stands on Optuna, which is optional and takes its time to import.
if _has_optuna():
    __all__ += ["tuning"]


if TYPE_CHECKING:
    from keras_dlnotes import tuning
else:

    def __getattr__(name: str) -> Any:
        if name == "tuning":
            try:
                return importlib.import_module("keras_dlnotes.tuning")
            except ImportError as error:  # what `hasattr` expects
                raise AttributeError(str(error)) from error
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
