"""Script: two torch processes train with LBFGS; one is killed, and both go on from their backup.

Arguments: a folder for the backups, what to do (`killed` or `resumed`), the rank that is killed,
number of this process, and a port. `killed` prints "told"; `resumed` prints "the same"
where the weights after each epoch are those of a training that was not interrupted.
"""

import datetime
import os
import pathlib
import signal
import sys
import time
import warnings

import keras
import numpy as np
import torch.distributed
from torch.distributed import get_rank

import keras_dlnotes as kd

FOLDER, WHAT = pathlib.Path(sys.argv[1]), sys.argv[2]
KILLED, RANK, PORT = map(int, sys.argv[3:])
TIMEOUT = 4.0
EPOCHS, KILLED_IN = 12, 6

warnings.simplefilter("error")
warnings.filterwarnings("ignore", message=".*__array__.*")


class SharedBackup(keras.callbacks.BackupAndRestore):
    """Rank 0 writes it, all ranks read it (docs/distributed.md)."""

    def on_epoch_end(self, epoch, logs=None):
        if get_rank() == 0:
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        if get_rank() == 0:
            super().on_train_end(logs)


class Killed(keras.callbacks.Callback):
    """Kills this process after an evaluation, before the backup."""

    def on_epoch_end(self, epoch, logs=None):
        if RANK == KILLED and epoch == KILLED_IN:
            os.kill(os.getpid(), signal.SIGKILL)


class Weights(keras.callbacks.Callback):
    """Keeps the weights after each epoch, trial points as they are, and those that `fit` leaves."""

    def __init__(self):
        super().__init__()
        self.of = {}

    def on_epoch_end(self, epoch, logs=None):
        self.of[epoch] = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.of["the end"] = self.model.get_weights()


def fit(*backups, epochs=EPOCHS):
    """Trains this rank's part of the data; the parts are unequal. What `Weights` has kept."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(41, 3)).astype("float32")
    part = slice(0, 23) if RANK == 0 else slice(23, None)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(kd.optimizers.LBFGS(), "mse")
    weights = Weights()
    callbacks = [kd.callbacks.FullBatch(), weights, *backups]
    y = np.sin(x[part, :1])
    # Another order of the batches would round otherwise.
    model.fit(x[part], y, 12, epochs, verbose=0, callbacks=callbacks, shuffle=False)
    return weights.of


def error_of(*arguments, **options):
    start = time.monotonic()
    try:
        fit(*arguments, **options)
    except RuntimeError as error:
        return str(error), time.monotonic() - start
    raise AssertionError("Expected an error.")


def main():
    shared = SharedBackup(FOLDER / "shared")
    own = keras.callbacks.BackupAndRestore(FOLDER / "own" / str(RANK))
    if WHAT == "killed":
        error, seconds = error_of(Killed(), shared, own)
        assert "Expected all 2 processes" in error, error
        assert "is gone" in error
        assert seconds < TIMEOUT + 30, seconds
        print("told", flush=True)
        return
    # One rank has saved an epoch more than the other: they must not train on together.
    error, _ = error_of(own)
    assert "the states of the search, differ" in error, error
    resumed, expected = fit(shared), fit()
    assert list(expected) == [*range(EPOCHS), "the end"]
    # Rank 0 has written the epoch in which rank 1 was killed.
    assert list(resumed) == [*range(KILLED_IN + KILLED, EPOCHS), "the end"], list(resumed)
    for epoch, weights in resumed.items():
        for weight, same in zip(weights, expected[epoch], strict=True):
            assert np.array_equal(weight, same), epoch
    if RANK == 0:  # the other trains no second epoch
        error, seconds = error_of(epochs=2)
        assert "fewer epochs" in error
        assert TIMEOUT / 2 < seconds < TIMEOUT + 30, seconds
    else:
        fit(epochs=1)
        time.sleep(TIMEOUT + 3)
    print("the same", flush=True)


# All may take long to start; what they do together must not.
store = torch.distributed.TCPStore(
    "localhost", PORT, 2, RANK == 0, timeout=datetime.timedelta(seconds=120)
)
torch.distributed.init_process_group(
    "gloo", store=store, rank=RANK, world_size=2, timeout=datetime.timedelta(seconds=TIMEOUT)
)
main()
sys.stdout.flush()
os._exit(0)  # torch's threads that wait for the lost process end an orderly exit with `terminate`
