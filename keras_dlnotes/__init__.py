"""Deep-learning notes as working Keras parts.

    import keras_dlnotes as kd

    model.compile(optimizer=kd.optimizers.Adam(learning_rate=1e-3), loss="mse")
    model.fit(x, y, callbacks=[kd.callbacks.TrainingMonitor("logs/first_run")])

`ARCHITECTURE.md` in the repository names the floors and where each part lives.
"""

import importlib

from keras_dlnotes import (
    augmentation,
    callbacks,
    initializers,
    layers,
    optimizers,
    regularizers,
    stopping,
    text_names,
)
from keras_dlnotes.diagnose import diagnose
from keras_dlnotes.gradient_check import assert_gradients, check_gradients

__all__ = [
    "assert_gradients",
    "augmentation",
    "callbacks",
    "check_gradients",
    "diagnose",
    "initializers",
    "layers",
    "optimizers",
    "regularizers",
    "stopping",
    "tuning",
]
__version__ = "0.1.0"
text_names.register()


def __getattr__(name):
    # Tuning stands on Optuna, which is optional and takes its time to import.
    if name == "tuning":
        return importlib.import_module("keras_dlnotes.tuning")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
