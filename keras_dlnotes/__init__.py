"""Deep-learning notes as working Keras parts.

    import keras_dlnotes as kd

    model.compile(optimizer=kd.optimizers.Adam(learning_rate=1e-3), loss="mse")
    model.fit(x, y, callbacks=[kd.callbacks.TrainingMonitor("logs/first_run")])

`ARCHITECTURE.md` in the repository names the floors and where each part lives.
"""

from keras_dlnotes import callbacks, initializers, optimizers
from keras_dlnotes.diagnose import diagnose

__all__ = ["callbacks", "diagnose", "initializers", "optimizers"]
__version__ = "0.1.0"
