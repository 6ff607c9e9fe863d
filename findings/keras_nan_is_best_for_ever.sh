#!/usr/bin/env bash
# Keras: a first monitored value of NaN stays the best for ever.
#
# Guess: NaN never counts as an improvement, or any number is better than NaN.
# Seen: with NaN, 5, 4, 3, 2, 1 and mode "min" ModelCheckpoint(save_best_only=True) keeps the file of
#   the first epoch alone, EarlyStopping stops while every epoch is better than the one before and
#   restores the weights of the first epoch, and ReduceLROnPlateau lowers the rate each epoch.
# Cause: `MonitorCallback._is_improvement` (keras/src/callbacks/monitor_callback.py) takes the first
#   value unseen, and no comparison with NaN is true afterwards.
# Matters: a metric that is not defined in the first epoch (no positive sample in a small validation
#   set, 0/0) silently costs the training. A callback that keeps "the best" must treat NaN itself.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import math
import os
import sys

import keras
import numpy as np

values = [math.nan, 5.0, 4.0, 3.0, 2.0, 1.0]
x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


class Metric(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["val_metric"] = values[epoch]


def fit(callback):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model.fit(x, y, epochs=6, verbose=0, callbacks=[Metric(), callback]).history


choice = {"monitor": "val_metric", "mode": "min"}
stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True, **choice)
epochs = len(fit(stopping)["loss"])
print("EarlyStopping: epochs run", epochs, "best", stopping.best, "of epoch", stopping.best_epoch)
assert epochs == 4 and math.isnan(stopping.best) and stopping.best_epoch == 0

folder = os.path.join(sys.argv[1], "saved")
os.mkdir(folder)
fit(
    keras.callbacks.ModelCheckpoint(
        folder + "/epoch{epoch}.weights.h5", save_best_only=True, save_weights_only=True, **choice
    )
)
print("ModelCheckpoint:", os.listdir(folder))
assert os.listdir(folder) == ["epoch1.weights.h5"]

rates = fit(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, **choice))["learning_rate"]
print("ReduceLROnPlateau:", [round(rate, 6) for rate in rates])
assert np.allclose(rates, [0.1, 0.1, 0.05, 0.025, 0.0125, 0.00625])
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir"
