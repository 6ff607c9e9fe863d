#!/usr/bin/env bash
# Keras on TensorFlow: `fit` under MirroredStrategy refuses a first batch that the replicas cannot share
# evenly, though it takes such a last batch.
#
# Guess: a batch of 47 examples on two replicas trains, as parts of 24 and 23. Only the last batch of an
#   epoch needs thought.
# Seen: "Inputs to operation AddN of type AddN must have the same size and shape" before the first step,
#   also on the second `fit` of a built model. With batches of 20, 20 and 7 it trains.
# Cause: each `fit` takes the mean over the replicas of the first batch itself, to learn its shape
#   (`_maybe_symbolic_build` in keras/src/backend/tensorflow/trainer.py).
# Matters: full-batch training on an odd number of examples fails, and the message names neither the data
#   nor the strategy. A batch size that the replicas divide works, whatever is left for the last batch.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(47, 5)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)


def outcome(batch_size):
    try:
        model.fit(x, x[:, :1], batch_size=batch_size, verbose=0)
        return "trained"
    except tf.errors.InvalidArgumentError as error:
        return "refused" if "must have the same size and shape" in str(error) else str(error)


print(outcome(47), outcome(20), outcome(47))
PY
seen=$(KERAS_BACKEND=tensorflow "$dir/venv/bin/python" "$dir/check.py" 2>/dev/null | tail -n 1)
echo "$seen"
test "$seen" = "refused trained refused"
