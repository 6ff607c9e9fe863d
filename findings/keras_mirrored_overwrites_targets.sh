#!/usr/bin/env bash
# Keras on TensorFlow under MirroredStrategy: `fit` writes into the user's own NumPy arrays of targets.
#
# Guess: training only reads its data; a `PyDataset` or generator may hand out slices of one array (views), as
#   most do, and the array is the same after `fit`.
# Seen: on two CPU devices, where the array lies at a multiple of 64 bytes, most targets are other numbers after
#   three epochs, so that the second epoch trains on something else than the first. 16 bytes further, or on one
#   device, nothing is changed. No warning. A first layer that is elementwise (Rescaling) does it to inputs too.
# Cause: `tf.data.Dataset.from_generator` makes tensors of NumPy arrays without a copy where alignment allows it.
#   The view is given up, so the tensor seems to have no other owner, and an elementwise operation of the loss
#   puts its result into the memory of its operand.
# Matters: it comes and goes with the allocator. Labels are destroyed, also for whoever uses them after `fit`.
#   Return copies from `__getitem__` (`y[rows].copy()`), or give `fit` the arrays themselves.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import contextlib
import sys

import numpy as np
import tensorflow as tf

HOW, OFFSET = sys.argv[1], int(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
scope = contextlib.nullcontext()
if HOW == "two devices":
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()

import keras


def at_offset(array):
    memory = np.zeros(array.nbytes + 128, "uint8")
    start = -memory.ctypes.data % 64 + OFFSET
    placed = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[:] = array
    return placed


class Slices(keras.utils.PyDataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        rows = slice(32 * index, 32 * index + 32)
        return x[rows], y[rows]


x = np.random.default_rng(0).normal(size=(256, 16)).astype("float32")
before = 2.0 * x[:, :1]
y = at_offset(before)
with scope:
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
model.fit(Slices(), epochs=3, verbose=0, shuffle=False)
print(f"{HOW}, {OFFSET} bytes past a multiple of 64:", "same" if (y == before).all() else "changed")
PY
seen=$(for arguments in "two devices:0" "two devices:16" "one device:0"; do
    "$dir/venv/bin/python" "$dir/check.py" "${arguments%:*}" "${arguments#*:}" 2>/dev/null
done)
echo "$seen"
test "$seen" = "two devices, 0 bytes past a multiple of 64: changed
two devices, 16 bytes past a multiple of 64: same
one device, 0 bytes past a multiple of 64: same"
