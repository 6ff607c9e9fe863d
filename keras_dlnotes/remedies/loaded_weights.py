"""Weights that a model has not drawn itself."""

import keras
import numpy as np

from keras_dlnotes.backend import internals
from keras_dlnotes.instrumentation import inner_optimizer


def keep_loaded_weights(model: keras.Model, copy: keras.Model) -> None:
    """Gives a freshly drawn copy the weights that were loaded into the model, if any were.

    Before the first step a weight that starts as a constant (a bias, a gain, a moving average)
    still is that constant, unless weights were loaded. The last layer in which it is not, and all
    layers before it, count as loaded. Once the optimizer has taken a step nothing tells loaded
    weights from trained ones, and all layers that are trained start anew.

    Args:
        model: a compiled model.
        copy: a built copy of it with fresh weights.
    """
    optimizer = inner_optimizer(model)
    if optimizer is None or not model.built:
        return
    if int(keras.ops.convert_to_numpy(optimizer.iterations)) > 0:
        return
    pairs = [
        (old, new)
        for old, new in zip(*map(internals.flatten_layers, (model, copy)), strict=True)
        if not internals.inner_layers.of(old)
    ]
    loaded = [place for place, pair in enumerate(pairs) if _was_loaded(*pair)]
    for old, new in pairs[: loaded[-1] + 1 if loaded else 0]:
        if [w.shape for w in old.weights] == [w.shape for w in new.weights]:
            new.set_weights(old.get_weights())


def _was_loaded(old, new):
    if not old.trainable_weights or [w.shape for w in old.weights] != [
        w.shape for w in new.weights
    ]:
        return False
    for ours, fresh in zip(old.get_weights(), new.get_weights(), strict=True):
        constant = fresh.size > 1 and fresh.dtype.kind == "f" and np.ptp(fresh) == 0
        if constant and not np.array_equal(ours, fresh):
            return True
    return False
