#!/usr/bin/env bash
# keras.distribution: with one device the train step is compiled three times, with two devices once.
#
# Guess: DataParallel over a single device costs nothing, so a script may set it up for whatever devices
#   the machine has.
# Seen: the first `fit` compiles the train step twice and the second `fit` once more. With two devices,
#   and without a distribution, it is compiled once.
# Cause: `distribute_tensor` in keras/src/backend/jax/distribution_lib.py leaves an array as it is whose
#   sharding `is_equivalent_to` the wanted one. On one device that is a SingleDeviceSharding, while the
#   step returns NamedSharding (`out_shardings` in keras/src/backend/jax/trainer.py), and `jax.jit`
#   compiles anew for arguments of another kind of sharding.
# Matters: three compilations of a large network on the machine of one device; in a comparison of 1, 2
#   and 4 devices the second `fit` of the first is still slow. Set a distribution for two devices or
#   more, and leave two calls of `fit` out of what is timed.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax JAX_PLATFORMS=cpu
export XLA_FLAGS=--xla_force_host_platform_device_count=2
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import logging
import sys

import jax
import keras
import numpy as np

compiled = []


class Compilations(logging.Handler):
    def emit(self, record):
        if "Compiling" in record.getMessage() and "train_step" in record.getMessage():
            compiled.append(record)


logging.getLogger("jax").addHandler(Compilations())
logging.getLogger("jax").propagate = False
jax.config.update("jax_log_compiles", True)
devices = int(sys.argv[1])
if devices:
    names = keras.distribution.list_devices()[:devices]
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
model.compile("adam", "mse")
x, y = np.zeros((32, 8), "float32"), np.zeros((32, 4), "float32")
counts = []
for _ in range(4):
    compiled.clear()
    model.fit(x, y, batch_size=16, verbose=0)
    counts.append(len(compiled))
print("DataParallel of", devices, "devices:" if devices else "(no distribution):", counts)
assert counts == ([2, 1, 0, 0] if devices == 1 else [1, 0, 0, 0])
PY
for devices in 0 1 2; do
    "$dir/venv/bin/python" "$dir/check.py" "$devices"
done
