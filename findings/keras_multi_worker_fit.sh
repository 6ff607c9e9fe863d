#!/usr/bin/env bash
# Keras on TensorFlow: `fit` never runs under MultiWorkerMirroredStrategy with two workers.
#
# Guess: a model that was built in the strategy's scope trains with `fit`, as in TensorFlow's own tutorial,
#   on arrays or on a `tf.data.Dataset`.
# Seen: "ValueError: Attempt to convert a value (PerReplica...) to a Tensor" before the first step; and
#   where that is bypassed, "Invalid reduction dimension 0 for input with 0 dimensions".
# Cause: two places in keras/src/backend/tensorflow/trainer.py. `_maybe_symbolic_build` reduces a tuple of
#   distributed tensors, which this strategy does not take; `reduce_per_replica` takes the mean of each log
#   along axis 0, which a number does not have.
# Matters: there is no `fit` on several machines, whatever the data. A subclass that skips the first and
#   returns its logs with one axis from `train_step` trains, with the same weights on all workers.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import json
import os
import sys

worker, way, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.environ["TF_CONFIG"] = json.dumps(
    {
        "cluster": {"worker": [f"localhost:{port}", f"localhost:{port + 1}"]},
        "task": {"type": "worker", "index": worker},
    }
)
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
import keras
import numpy as np


class NoBuild(keras.Sequential):
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        pass


class NoBuildAndLogsWithAxis(NoBuild):
    def train_step(self, data):
        logs = super().train_step(data)
        return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


kind = {"plain": keras.Sequential, "no build": NoBuild, "both": NoBuildAndLogsWithAxis}[way]
x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
with strategy.scope():
    keras.utils.set_random_seed(0)
    model = kind([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
try:
    model.fit(x, x[:, :1], batch_size=16, verbose=0, shuffle=False)
    outcome = f"trained, weights {model.get_weights()[0].ravel().round(5).tolist()}"
except Exception as error:
    outcome = f"{type(error).__name__}: {str(error)[:60].splitlines()[0]}"
print(f"{way}, worker {worker}: {outcome}", flush=True)
expected = {
    "plain": "ValueError: Attempt to convert a value",
    "no build": "ValueError: Invalid reduction dimension 0",
    "both": "trained",
}
os._exit(0 if outcome.startswith(expected[way]) else 1)  # or it waits for the other worker
PY
port=23450
for way in plain "no build" both; do
    port=$((port + 10))
    timeout 120 "$dir/venv/bin/python" "$dir/check.py" 1 "$way" $port 2>"$dir/errors" &
    timeout 120 "$dir/venv/bin/python" "$dir/check.py" 0 "$way" $port 2>/dev/null
    wait $!
done
