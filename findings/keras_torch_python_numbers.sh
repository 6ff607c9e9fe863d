#!/usr/bin/env bash
# Keras on torch: a Python number beside a float64 tensor is rounded to float32 in keras.ops.
#
# Guess: `keras.ops.multiply(t, 0.1)` with a float64 tensor computes with 0.1, as `t * 0.1` does in torch,
#   and as the same call does on JAX and TensorFlow.
# Seen: on torch the number is 0.10000000149011612: the result is a float64 that is right to eight digits.
#   The same holds for add, subtract and power, and for a Keras Variable times 0.1.
# Cause: these functions in keras/src/backend/torch/numpy.py call `convert_to_tensor(x2)` without a dtype,
#   and that (keras/src/backend/torch/core.py) gives a Python float the type `floatx()`.
# Matters: a layer or loss with dtype "float64" in a float32 session silently computes with constants of
#   float32; tests of gradients by finite differences fail. Call `set_floatx("float64")`, or convert the
#   number with the tensor's dtype.
# Versions: keras 3.15.1, torch 2.13.0, jax 0.10.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras"
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "torch==2.13.0" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import sys

import keras
import numpy as np
from keras import ops

one = ops.ones((1,), dtype="float64")
seen = {
    "multiply": ops.multiply(one, 0.1),
    "add": ops.add(one, 0.1) - one,
    "subtract": one - ops.subtract(one, 0.1),
    "power": ops.log(ops.power(one * np.e, 0.1)),
    "variable": keras.Variable(np.ones(1), dtype="float64") * 0.1,
}
for name, value in seen.items():
    assert keras.backend.standardize_dtype(value.dtype) == "float64"
    seen[name] = float(ops.convert_to_numpy(value)[0])
print(seen)
expected = float(np.float32(0.1)) if sys.argv[1] == "torch" else 0.1
for name, value in seen.items():
    assert abs(value - expected) < 1e-15, name

keras.config.set_floatx("float64")
assert float(ops.multiply(one, 0.1)[0]) == 0.1
PY
for backend in torch jax; do
    echo "== $backend"
    JAX_ENABLE_X64=1 KERAS_BACKEND=$backend "$dir/venv/bin/python" "$dir/check.py" $backend
done
