#!/usr/bin/env bash
# TensorFlow: a second MirroredStrategy in one process cannot train a model of another size.
#
# Guess: each `tf.distribute.MirroredStrategy()` is an object of its own, so two models, each made under a
#   strategy of its own, train one after the other in one process, as on one device.
# Seen: the second `fit` ends with "Shape mismatch in the collective instance 100 ... expected shape [211] but
#   another member in the group expected shape [50]". With one strategy for both models, both train.
# Cause: the strategies number their collective operations from the same start, for the same devices, and
#   the runtime keeps what it knows of an operation under that number.
# Matters: a search, a test suite or a notebook that makes the strategy with the model fails at the second
#   model, and the message does not name the strategy. Make one strategy a process.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
one = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
outcomes = []
for width in (7, 30):
    strategy = one if sys.argv[1] == "one" else tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((5,)), keras.layers.Dense(width, "tanh"), keras.layers.Dense(1)]
        )
        model.compile("adam", "mse", jit_compile=False)
    try:
        model.fit(x, x[:, :1], batch_size=40, verbose=0)
        outcomes.append("trained")
    except tf.errors.OpError as error:
        outcomes.append("shape mismatch" if "Shape mismatch in the collective" in str(error) else str(error))
print(sys.argv[1], "strategy:", *outcomes)
PY
seen=$(for way in one another; do
    KERAS_BACKEND=tensorflow "$dir/venv/bin/python" "$dir/check.py" "$way" 2>/dev/null | tail -n 1
done)
echo "$seen"
test "$seen" = "one strategy: trained trained
another strategy: trained shape mismatch"
