"""A model whose training is a formula, for tests and benchmarks of what goes on around training."""

from pathlib import Path

import keras
import numpy as np


class LandscapeModel(keras.Model):
    """Reports `curve(epoch)` as its logs; its one weight counts the epochs. It computes nothing.

    Args:
        curve: function from the epoch's index to a dict of logs.
    """

    def __init__(self, curve):
        super().__init__()
        self._curve = curve
        self.epochs_trained = 0
        self.built = self.compiled = True

    def fit(self, x=None, y=None, validation_data=None, epochs=1, callbacks=None, **arguments):
        """Calls the callbacks as Keras does."""
        callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        self.stop_training = False
        callbacks.on_train_begin()
        logs = {}
        for epoch in range(epochs):
            callbacks.on_epoch_begin(epoch)
            self.epochs_trained = epoch + 1
            logs = self._curve(epoch)
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end(logs)

    def get_weights(self):
        """The number of epochs."""
        return [np.array(self.epochs_trained)]

    def set_weights(self, weights):
        """Puts it back."""
        self.epochs_trained = int(weights[0])

    def save_weights(self, path):
        """Writes it."""
        Path(path).write_text(str(self.epochs_trained))

    def load_weights(self, path):
        """Reads it."""
        self.epochs_trained = int(Path(path).read_text())

    def get_build_config(self):
        """Is built already."""
        return None


def constant(value):
    """A model that reports one objective at every epoch."""
    return LandscapeModel(lambda epoch: {"loss": value, "val_loss": value})
