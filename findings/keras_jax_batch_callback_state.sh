#!/usr/bin/env bash
# Keras on JAX: a callback that does not read `self.model` loses what it sets in the middle of an epoch.
#
# Guess: `LambdaCallback(on_train_batch_end=...)` may read and set the weights and the learning rate
#   of the model that it encloses, as on the other backends.
# Seen: on JAX a learning rate or weights set at the end of a batch are dropped without a word, and
#   reading them raises "TypeError: 'NoneType' object is not callable". With the mere word
#   `self.model` before it, the same code works.
# Cause: in the middle of an epoch the variables are emptied (`JAXTrainer.fit`, `purge_model_variables`
#   in keras/src/backend/jax/trainer.py). Only the property `Callback.model` in
#   keras/src/callbacks/callback.py brings the state back (`jax_state_sync`), as a side effect of
#   being read; otherwise the state of before overwrites what was set.
# Matters: a schedule per batch, clipping of weights or a log of weights that works with torch and
#   TensorFlow is without effect on JAX. Read `self.model` first in every callback.
# Versions: keras 3.15.1, jax 0.10.2, torch 2.13.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras"
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import sys

import keras
import numpy as np

x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
five = np.full((4, 1), 5.0, "float32")


def fit(make_callback):
    model = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[make_callback(model)])
    return float(model.optimizer.learning_rate), model.get_weights()[0]


def set_rate(model):
    def act(batch, logs=None):
        model.optimizer.learning_rate = 0.025

    return keras.callbacks.LambdaCallback(on_train_batch_end=act)


def set_weights(model):
    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: model.layers[-1].kernel.assign(five)
    )


def read(model):
    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: float(model.optimizer.learning_rate)
    )


class SetRateAfterModel(keras.callbacks.Callback):
    def __init__(self, model):
        super().__init__()
        self.held = model

    def on_train_batch_end(self, batch, logs=None):
        self.model
        self.held.optimizer.learning_rate = 0.025


rate = round(fit(set_rate)[0], 6)
kept = bool((fit(set_weights)[1] == five).all())
with_model = round(fit(SetRateAfterModel)[0], 6)
try:
    fit(read)
    error = None
except TypeError as raised:
    error = str(raised)
print("rate after setting 0.025:", rate, "| weights kept:", kept, "| error on reading:", error)
print("rate after reading self.model and setting 0.025:", with_model)
assert with_model == 0.025
if sys.argv[1] == "jax":
    assert rate == 0.1 and not kept and error == "'NoneType' object is not callable"
else:
    assert rate == 0.025 and kept and error is None
PY
for backend in jax torch; do
    echo "== $backend"
    KERAS_BACKEND=$backend "$dir/venv/bin/python" "$dir/check.py" $backend
done
