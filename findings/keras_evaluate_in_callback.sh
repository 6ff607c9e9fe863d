#!/usr/bin/env bash
# Keras: evaluate() in a batch callback mixes the evaluated data into the epoch's training loss.
#
# Guess: `model.evaluate(...)` in the middle of an epoch returns its numbers and leaves the training's
#   running loss and metrics alone.
# Seen: the history of `fit` then holds the mean over the evaluated samples and the batches after the
#   call: here a training loss of 112.6 where every batch has a loss of 1.
# Cause: training and evaluation share one set of metric objects. `evaluate` starts with
#   `self.reset_metrics()` (keras/src/backend/jax/trainer.py, same in torch and TensorFlow) and does
#   not put the former state back.
# Matters: a callback that validates every N batches changes "loss", the training metrics and all that
#   is steered by them. Save and restore `metric.variables` around the call, or compute the numbers
#   with `model(x)` or `test_on_batch` of a second model.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np

x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
x_val, y_val = np.ones((80, 4), "float32"), np.full((80, 1), 11.0, "float32")


class Validate(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            print("validation loss:", self.model.evaluate(x_val, y_val, verbose=0))


def training_loss(callbacks):
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    history = model.fit(x, y, batch_size=2, verbose=0, callbacks=callbacks).history
    return history["loss"][0]


alone, mixed = training_loss([]), training_loss([Validate()])
print("training loss:", alone, "with evaluate after the first batch:", mixed)
assert np.isclose(alone, 1.0)
# 80 samples with a loss of 121 and 6 with a loss of 1.
assert np.isclose(mixed, (80 * 121.0 + 6 * 1.0) / 86)
PY
"$dir/venv/bin/python" "$dir/check.py"
