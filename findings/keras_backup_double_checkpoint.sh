#!/usr/bin/env bash
# Keras: BackupAndRestore(double_checkpoint=True) does not fall back when the small metadata file is damaged.
#
# Guess: "if current state can't be loaded due to IO error (e.g. file corrupted) it will try to restore
#   previous one" (docstring) holds for both files of a backup.
# Seen: with an empty `training_metadata.json`, as a process killed between opening and writing leaves it,
#   the next `fit` raises JSONDecodeError and goes on doing so at each restart, though the backup of the
#   epoch before lies complete beside it. With `double_checkpoint=False` the same file stops the
#   restart as well, though the docstring names no such case.
# Cause: `on_train_begin` in keras/src/callbacks/backup_and_restore.py catches OSError only; a damaged
#   JSON raises ValueError. `_save_model` opens the file with "w", which empties it first.
# Matters: a job that is restarted by a scheduler is stuck until somebody removes the file by hand.
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

x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


def fit(folder, *callbacks):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    backup = keras.callbacks.BackupAndRestore(folder, double_checkpoint=True)
    return model.fit(x, y, epochs=5, verbose=0, callbacks=[backup, *callbacks]).epoch


def interrupted(name):
    folder = os.path.join(sys.argv[1], name)
    try:
        fit(folder, Interrupt())
    except KeyboardInterrupt:
        return folder
    raise SystemExit("the training was not interrupted")


folder = interrupted("whole")
print("files:", sorted(os.listdir(folder)))
assert fit(folder) == [3, 4]

folder = interrupted("weights_cut")
with open(os.path.join(folder, "latest.weights.h5"), "r+b") as file:
    file.truncate(100)
print("after damage to the weights file the epochs", epochs := fit(folder))
assert epochs == [2, 3, 4]

folder = interrupted("metadata_empty")
with open(os.path.join(folder, "training_metadata.json"), "w"):
    pass
with open(os.path.join(folder, "training_metadata.json.bkp")) as file:
    assert json.load(file)["epoch"] == 2
for _ in range(2):
    try:
        fit(folder)
    except json.JSONDecodeError as error:
        print("after damage to the metadata file:", type(error).__name__)
    else:
        raise SystemExit("the previous state was restored")
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir"
