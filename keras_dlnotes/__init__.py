"""Deep-learning notes as working Keras parts.

    import keras_dlnotes as kd

    model.compile(optimizer=kd.optimizers.Adam(learning_rate=1e-3), loss="mse")
    model.fit(x, y, callbacks=[kd.callbacks.TrainingMonitor("logs/first_run")])

`ARCHITECTURE.md` in the repository names the floors and where each part lives.
"""

from keras_dlnotes import callbacks, initializers, layers, optimizers, regularizers, stopping

__all__ = ["callbacks", "initializers", "layers", "optimizers", "regularizers", "stopping"]
from keras_dlnotes import augmentation, callbacks, initializers, layers, optimizers

__all__ = ["augmentation", "callbacks", "initializers", "layers", "optimizers"]
from keras_dlnotes import callbacks, initializers, optimizers
from keras_dlnotes.gradient_check import assert_gradients, check_gradients

__all__ = ["assert_gradients", "callbacks", "check_gradients", "initializers", "optimizers"]
import importlib

from keras_dlnotes import callbacks, initializers, optimizers
from keras_dlnotes.diagnose import diagnose

__all__ = ["callbacks", "initializers", "optimizers", "tuning"]
__all__ = ["callbacks", "diagnose", "initializers", "optimizers"]
__version__ = "0.1.0"


def __getattr__(name):
    # Tuning stands on Optuna, which is optional and takes its time to import.
    if name == "tuning":
        return importlib.import_module("keras_dlnotes.tuning")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
