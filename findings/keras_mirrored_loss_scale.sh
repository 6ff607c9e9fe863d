#!/usr/bin/env bash
# Keras on TensorFlow: under MirroredStrategy loss scaling overlooks infinite gradients of all but one replica.
#
# Guess: `LossScaleOptimizer`, which `compile` puts around the optimizer under a mixed_float16 policy,
#   skips a step whose gradients are not finite, as it does on one device, whichever replica they come
#   from.
# Seen: infinite gradients of replica 0 skip the step and halve the scale. Those of replica 1 alone do
#   not: the weights of all replicas become infinite, and the scale stays.
# Cause: `LossScaleOptimizer._tf_apply` (keras/src/optimizers/loss_scale_optimizer.py) looks at the
#   gradients before they are summed over the replicas; its comment says that they have been summed.
#   That was so in Keras 2; in Keras 3 the inner optimizer sums them, after the look.
# Matters: dynamic loss scaling lives from overflows that are noticed. Here about every second one ends
#   the run with NaN. Use mixed_bfloat16, which needs no loss scale, on several GPUs.
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


def weights_and_scale(place, scope):
    """After one step on 16 examples, of which the one at `place` has an infinite gradient."""
    x = np.ones((16, 2), "float32")
    x[place] = 1e38
    with scope:
        dense = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((2,)), dense])
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01)), "mae")
    model.fit(x, np.zeros((16, 1)), batch_size=16, verbose=0, shuffle=False)
    return model.get_weights()[0].ravel().tolist(), float(model.optimizer.dynamic_scale.numpy())


for place in (0, 15):
    one = weights_and_scale(place, contextlib.nullcontext())
    two = weights_and_scale(place, strategy.scope())
    print(f"example {place} overflows: one device {one}, two replicas {two}")
    assert one == ([1.0, 1.0], 16384.0)
    if place == 0:
        assert two == one
    else:
        assert not np.isfinite(two[0]).any()
        assert two[1] == 32768.0
PY
"$dir/venv/bin/python" "$dir/check.py"
