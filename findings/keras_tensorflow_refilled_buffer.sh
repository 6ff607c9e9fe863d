#!/usr/bin/env bash
# Keras on TensorFlow: a data set that fills one array anew for each batch gives wrong batches, or right
# ones, depending on the address at which NumPy happened to put the array.
#
# Guess: what `PyDataset.__getitem__` returns is copied into a tensor before the next item is asked for, as on
#   torch, so that a loader may keep one buffer, as many do to save memory.
# Seen: where the array lies at a multiple of 64 bytes the tensors are views of it, and as Keras reads ahead,
#   `predict` of the identity returns rows of later batches in place of earlier ones. 4 bytes further the same
#   program is right. No warning; `fit` trains on inputs that do not belong to their targets.
# Cause: `tf.data.Dataset.from_generator` asks Python by an operation that makes its tensors of what Python
#   returns without a copy where alignment allows it (DoCallPyFunc in tensorflow/python/lib/core/py_func.cc
#   hands each array to NdarrayToTensor).
# Matters: it comes and goes with the allocator, so a run cannot be repeated. Return a new array each time.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "keras==3.15.1" "tensorflow-cpu==2.21.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np


class OneBuffer(keras.utils.PyDataset):
    def __init__(self, offset):
        super().__init__()
        memory = np.zeros(16 * 16 * 4 + 128, "uint8")
        start = -memory.ctypes.data % 64 + offset
        self.buffer = memory[start : start + 16 * 16 * 4].view("float32").reshape(16, 16)

    def __len__(self):
        return 50

    def __getitem__(self, index):
        self.buffer[:] = index
        return (self.buffer,)


inputs = keras.Input((16,))
model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
for offset in (0, 4):
    batches = model.predict(OneBuffer(offset), verbose=0).reshape(50, 256)
    right = sum(bool((batch == number).all()) for number, batch in enumerate(batches))
    print(f"{offset} bytes past a multiple of 64:", "right" if right == 50 else "wrong batches")
PY
seen=$("$dir/venv/bin/python" "$dir/check.py" 2>/dev/null)
echo "$seen"
test "$seen" = "0 bytes past a multiple of 64: wrong batches
4 bytes past a multiple of 64: right"
