"""Script: two processes train one model with EarlyStopping, and fails where they stop apart.

Arguments: how (`workers` or `ddp`), number of this process, and a port. Prints "together".
"""

import datetime
import json
import os
import shutil
import sys
import tempfile

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
        return self._of_one_axis(super().train_step(data))

    def test_step(self, data):
        return self._of_one_axis(super().test_step(data))

    def _of_one_axis(self, logs):
        return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


def fit(stopping, validation_data=None, before=None):
    keras.utils.set_random_seed(0)
    with scope():
        kind = SeveralWorkers if HOW == "workers" else keras.Sequential
        model = kind([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.random.default_rng(RANK).normal(size=(32, 4)).astype("float32")
    first = keras.callbacks.LambdaCallback(on_train_batch_begin=before or (lambda *_, **__: None))
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
    # Alone rank 1 would stop after 3 epochs. So would the means of the ranks; but rank 0 has three
    # times as many examples, and the means over these fall for 4 epochs: 1, 0.95, 0.9, 0.85, 1.
    sizes = [[1.0, 0.9, 0.8, 0.7, 1.0, 1.1, 1.2, 1.3], [1.0, 1.1, 1.2, 1.3, 1.0, 0.9, 0.8, 0.7]]
    losses = iter(sizes[RANK])
    count = 3 - 2 * RANK
    validation = np.zeros((count, 4), "float32"), np.zeros((count, 1), "float32")

    def scale(batch, logs=None):
        """Makes the validation loss of this epoch."""
        if batch == 0:
            validation[1][:] = np.sqrt(next(losses))

    path = os.path.join(tempfile.gettempdir(), f"stops_together_{PORT}", "best.weights.h5")
    stopping = kd.callbacks.EarlyStopping(
        monitor="val_loss", patience=2, restore_best_weights=True, best_weights_path=path
    )
    taken = fit(stopping, validation, scale)
    assert taken == 6, taken
    np.testing.assert_allclose(stopping.best, 0.85, rtol=1e-6)
    assert stopping.best_epoch == 3
    torch.distributed.barrier()
    assert os.listdir(os.path.dirname(path)) == ["best.weights.h5"]

    # The same means where the callback itself validates, in the middle of an epoch.
    losses = iter(sizes[RANK])
    stopping = kd.callbacks.EarlyStopping(patience=2, every=2, validation_data=validation)
    taken = fit(stopping, None, scale)
    assert taken == 6, taken
    np.testing.assert_allclose(stopping.best, 0.85, rtol=1e-6)


def late(batch, logs=None):
    """Puts 200 seconds on the clock of the first process alone."""
    timed._seconds += 200.0 * (1 - RANK)


timed = kd.callbacks.EarlyStopping(monitor="loss", criterion=kd.stopping.TimeBudget(1000))
taken = fit(timed, before=late)
assert taken == 3, taken
own_words = HOW == "ddp" or RANK == 0  # on TensorFlow only that it stops is told
assert ("1000" if own_words else "the first process stops") in timed.reason, timed.reason

if HOW == "workers":
    data = np.ones((16, 4), "float32"), np.ones((16, 1), "float32")
    stopping = kd.callbacks.EarlyStopping(patience=2)
    assert fit(stopping, data) == 3  # nothing is learned at a rate of 0
    assert np.isfinite(stopping.best)
else:
    for different in ({"patience": 2 + RANK}, {"start_from_epoch": RANK}):
        with pytest.raises(ValueError, match="the same callbacks"):
            fit(kd.callbacks.EarlyStopping(monitor="loss", **different))
    torch.distributed.barrier()
    if RANK == 0:
        shutil.rmtree(os.path.dirname(path))
print("together", flush=True)
