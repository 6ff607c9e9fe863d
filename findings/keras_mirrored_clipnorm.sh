#!/usr/bin/env bash
# Keras on TensorFlow: under MirroredStrategy `clipnorm` and `global_clipnorm` clip each replica's part.
#
# Guess: the gradient of the global batch is clipped, as on one device, so that a step of
#   SGD(1.0, global_clipnorm=c) is at most c long.
# Seen: with 2 replicas it is 2 c long, and where the replicas' gradients differ it points elsewhere.
#   With the same examples on both, a gradient of norm 3 and c = 1 the step is 2 instead of 1.
# Cause: `BaseOptimizer.apply` (keras/src/optimizers/base_optimizer.py) clips before
#   `TFOptimizer._backend_update_step` (keras/src/backend/tensorflow/optimizer.py) sums the gradients
#   over the replicas.
# Matters: a run that clipping keeps stable on one GPU takes steps N times as long on N. Divide the
#   bound by the number of replicas.
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

REPLICAS = 2
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)
strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])


def step(scope, gradients, **clipping):
    """The step of SGD(1.0) on one batch of two examples with the given gradients."""
    x = np.array(gradients, "float32")
    with scope:
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((2,)), dense])
        model.compile(keras.optimizers.SGD(1.0, **clipping), lambda target, output: output)
    model.fit(x, x, batch_size=2, verbose=0, shuffle=False)
    return -model.get_weights()[0].ravel()


alike, different = [[3.0, 0.0], [3.0, 0.0]], [[30.0, 0.0], [0.0, 3.0]]
for clipping in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}):
    for gradients in (alike, different):
        one = step(contextlib.nullcontext(), gradients, **clipping)
        two = step(strategy.scope(), gradients, **clipping)
        print(f"{clipping}, gradients {gradients}: one device {one}, two replicas {two}")
        np.testing.assert_allclose(np.linalg.norm(one), 1.0, rtol=1e-5)
        expected = [2.0, 0.0] if gradients is alike else [1.0, 1.0]
        np.testing.assert_allclose(two, expected, rtol=1e-5)
PY
"$dir/venv/bin/python" "$dir/check.py"
