"""A small training whose measurements go to two writers."""

import keras
import numpy as np

import keras_dlnotes as kd
from keras_dlnotes.summaries import MemoryWriter

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")


class Both:
    """Passes on to a `MemoryWriter` and to another writer what this one has a method for."""

    def __init__(self, other):
        self.memory, self.other = MemoryWriter(), other

    def __getattr__(self, name):
        method = getattr(self.other, name)
        if not hasattr(self.memory, name):
            return method

        def call(*arguments):
            getattr(self.memory, name)(*arguments)
            method(*arguments)

        return call


class Raising(keras.callbacks.Callback):
    """Ends a `fit` by an error."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise RuntimeError("in mid epoch")


def network():
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(4, "relu", name="hidden")
    output = keras.layers.Dense(1, name="output")
    model = keras.Sequential([keras.Input((3,)), hidden, output], name="net")
    model.compile("sgd", "mse", run_eagerly=keras.backend.backend() == "tensorflow")
    return model


def monitor(writer, **options):
    return kd.callbacks.TrainingMonitor(every=1, writer=writer, **options)


def fit(writer, *others, model=None, epochs=2, **options):
    """Four steps an epoch, all recorded; the model. `writer` may be a monitor."""
    if not isinstance(writer, kd.callbacks.TrainingMonitor):
        writer = monitor(writer, **options)
    model = model or network()
    callbacks = [*others, writer]
    model.fit(X, X[:, :1], batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks)
    return model
