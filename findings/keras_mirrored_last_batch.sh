#!/usr/bin/env bash
# Keras on TensorFlow: under MirroredStrategy the gradient of a short last batch is too small, or lopsided.
#
# Guess: `fit` with arrays gives the same gradient as on one device: of the mean over the examples of the
#   global batch. Only an own training loop has to care for the number of examples.
# Seen: with 4 replicas, batches of 16 and 17 examples, the last batch of one example goes to one replica
#   and the others get none: its step is a quarter of that on one device. With 2 replicas and 3 left,
#   parts of 2 and 1, the single example counts twice as much as each of the others.
# Cause: each replica divides by the number of its own examples, and then by the number of replicas
#   (`scale_loss_for_distribution` in keras/src/losses/loss.py), whether they have examples or not.
# Matters: the results depend on the number of GPUs. `drop_remainder=True` in a `tf.data` pipeline, or a
#   batch size that divides the data set, avoids it.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import contextlib
import sys

import keras
import numpy as np
import tensorflow as tf

REPLICAS = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)
strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])


def last_step(scope, left):
    """How far a step on the last batch goes, whose examples have the gradients 1, 10, 100, ..."""
    x = np.concatenate([np.zeros((16, 1)), 10.0 ** np.arange(left)[:, None]]).astype("float32")
    with scope:
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((1,)), dense])
        model.compile(keras.optimizers.SGD(1.0), lambda target, output: output)
    model.fit(x, x, batch_size=16, verbose=0, shuffle=False)
    return float(1.0 - model.get_weights()[0][0, 0])


left = {4: 1, 2: 3}[REPLICAS]
one = last_step(contextlib.nullcontext(), left)
several = last_step(strategy.scope(), left)
print(f"{REPLICAS} replicas, {left} examples left: {several:.4g}; one device: {one:.4g}")
if REPLICAS == 4:
    assert one == 1.0
    assert several == 0.25
else:
    np.testing.assert_allclose(one, (1 + 10 + 100) / 3)
    np.testing.assert_allclose(several, ((1 + 10) / 2 + 100) / 2)
PY
"$dir/venv/bin/python" "$dir/check.py" 4
"$dir/venv/bin/python" "$dir/check.py" 2
