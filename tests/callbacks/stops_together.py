"""Script: two processes train one model with EarlyStopping, and fails where they stop apart.

Arguments: how (`workers` or `ddp`), number of this process, and a port. Prints "together".
"""

import datetime
import json
import os
import sys

HOW, RANK, PORT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if HOW == "workers":
    import tensorflow as tf

    task = {"type": "worker", "index": RANK}
    workers = [f"localhost:{PORT}", f"localhost:{PORT + 1}"]
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
    scope = tf.distribute.MultiWorkerMirroredStrategy().scope
else:
    import contextlib

    import torch

    torch.distributed.init_process_group(
        "gloo",
        init_method=f"tcp://localhost:{PORT}",
        rank=RANK,
        world_size=2,
        timeout=datetime.timedelta(seconds=120),
    )
    scope = contextlib.nullcontext

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import keras_dlnotes as kd  # noqa: E402


class SeveralWorkers(keras.Sequential):
    """As in docs/distributed.md: gets round what Keras's `fit` cannot do with several workers."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        pass

    def train_step(self, data):
        logs = super().train_step(data)
        return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


def fit(stopping, validation_data=None, before=None):
    keras.utils.set_random_seed(0)
    with scope():
        kind = SeveralWorkers if HOW == "workers" else keras.Sequential
        model = kind([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(RANK).normal(size=(32, 4)).astype("float32")
    first = keras.callbacks.LambdaCallback(on_train_batch_begin=before or (lambda *_: None))
    history = model.fit(
        x,
        x[:, :1],
        16,
        epochs=8,
        verbose=0,
        shuffle=False,
        validation_data=validation_data,
        callbacks=[first, stopping],
    )
    return len(history.history["loss"])


if HOW == "ddp":
    # The validation loss of one process would stop it after 1 epoch, that of the other never.
    sizes = iter([[1.0, 0.9, 0.8, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 8][RANK])
    stopping = kd.callbacks.EarlyStopping(monitor="val_loss", patience=2)
    losses = np.zeros((1, 4), "float32"), np.zeros((1, 1), "float32")

    def scale(batch, logs=None):
        if batch == 0:
            losses[1][:] = np.sqrt(next(sizes))

    taken = fit(stopping, losses, scale)
    assert taken == 5, taken  # the means are 1, 0.95, 0.9, 1.5, 2
    np.testing.assert_allclose(stopping.best, 0.9, rtol=1e-6)
    assert stopping.best_epoch == 2


def late(batch, logs=None):
    """Puts 200 seconds on the clock of the first process alone."""
    timed._seconds += 200.0 * (1 - RANK)


timed = kd.callbacks.EarlyStopping(monitor="loss", criterion=kd.stopping.TimeBudget(1000))
taken = fit(timed, before=late)
assert taken == 3, taken
assert "1000" in timed.reason, timed.reason

if HOW == "ddp":
    alone = kd.callbacks.EarlyStopping(monitor="loss", patience=2 + RANK)
    with pytest.raises(ValueError, match="the same callbacks"):
        fit(alone)
    torch.distributed.barrier()
print("together", flush=True)
