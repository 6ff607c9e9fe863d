"""Script: two torch processes train in ways that do not fit each other, and are told so.

Arguments: number of this process, and a port. Prints "told" at its end.
"""

import datetime
import sys
import warnings

import keras
import numpy as np
import torch

from keras_dlnotes.backend.torch import processes
from keras_dlnotes.callbacks import TrainingMonitor
from keras_dlnotes.summaries import MemoryWriter

RANK, PORT = int(sys.argv[1]), int(sys.argv[2])
torch.distributed.init_process_group(
    "gloo",
    init_method=f"tcp://localhost:{PORT}",
    rank=RANK,
    world_size=2,
    timeout=datetime.timedelta(seconds=90),
)
processes._SECONDS_UNTIL_WARNING = 2.0
x = np.random.default_rng(RANK).normal(size=(32, 4)).astype("float32")


def fit(every=1, examples=32):
    """Warnings, and the error's text, of a `fit` in which nothing averages the gradients."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="only")])
    model.compile("sgd", "mse")
    writer = MemoryWriter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            watch = TrainingMonitor(writer=writer, every=every)
            model.fit(x[:examples], x[:examples, :1], 8, verbose=0, callbacks=[watch])
            error = ""
        except (ValueError, RuntimeError) as raised:
            error = f"{type(raised).__name__}: {raised}"
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning)], error, writer


told, error, writer = fit()
assert not error
assert sum("each trains a model of its own" in text for text in told) == (RANK == 0), told
assert bool(writer.scalars) == (RANK == 0)

for different in ({"every": 1 + RANK}, {"examples": 32 - 8 * RANK}):
    told, error, _ = fit(**different)
    assert error.startswith("ValueError: Expected every process")
    assert "rank 1: every=" in error

assert processes.any_process(RANK == 1)
assert not processes.any_process(False)

if RANK == 0:  # the other one trains without a monitor
    # As if the process group had so short a timeout.
    store = torch.distributed.distributed_c10d._get_default_store()
    store.set_timeout(datetime.timedelta(seconds=4))
    told, error, _ = fit()
    assert any("Received none from rank [1] in 2 s. Still waiting." in text for text in told), told
    assert error.startswith("RuntimeError")
    assert "Give the callback to all ranks" in error
print("told", flush=True)
