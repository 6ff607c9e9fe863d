#!/usr/bin/env bash
# Keras: BackupAndRestore(save_freq=N batches) starts the epoch anew from weights of its middle.
#
# Guess: a backup every N batches means that a restart goes on after the last saved batch; the file
#   `training_metadata.json` holds the number of the batch.
# Seen: the weights and the optimizer's state are those of the saved batch, but the epoch starts with its
#   first batch again: the batches before the backup are trained twice, and 20 planned steps become 23.
# Cause: `_load_model` in keras/src/callbacks/backup_and_restore.py reads "epoch" alone; "batch" is
#   written and never used.
# Matters: with long epochs, the case for which `save_freq` exists, the resumed run differs from an
#   unbroken one in its data, its number of steps and every schedule of the learning rate.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import json
import os
import sys

import keras
import numpy as np

folder = os.path.join(sys.argv[1], "backup")
# 4 batches in an epoch, 5 epochs, so 20 steps.
x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


class Batches(keras.callbacks.Callback):
    def __init__(self, interrupt_at=None):
        super().__init__()
        self.interrupt_at = interrupt_at
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((self.epoch, batch))
        if (self.epoch, batch) == self.interrupt_at:
            raise KeyboardInterrupt


def fit(batches):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.001), "mse")
    backup = keras.callbacks.BackupAndRestore(folder, save_freq=1)
    model.fit(x, y, epochs=5, batch_size=2, verbose=0, callbacks=[backup, batches])
    return int(model.optimizer.iterations)


first, second = Batches(interrupt_at=(2, 2)), Batches()
try:
    fit(first)
except KeyboardInterrupt:
    pass
with open(os.path.join(folder, "training_metadata.json")) as file:
    metadata = json.load(file)
steps = fit(second)
twice = sorted(set(first.seen) & set(second.seen))
print("metadata:", metadata, "| trained twice:", twice, "| steps:", steps, "instead of 20")
assert metadata == {"epoch": 2, "batch": 2}
assert twice == [(2, 0), (2, 1), (2, 2)] and steps == 23
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir"
