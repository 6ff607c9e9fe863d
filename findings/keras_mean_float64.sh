#!/usr/bin/env bash
# Keras on JAX and torch: the mean of float64 numbers is a float64 number with the digits of float32.
#
# Guess: `keras.ops.mean` of a float64 tensor, with floatx "float64" and JAX's 64-bit mode, is exact to
#   1e-15, as `keras.ops.sum` is; its dtype says float64.
# Seen: on JAX and torch it differs from NumPy by about 1e-8, and so does the loss "mse", which takes it.
#   On TensorFlow it does not. `keras.ops.sum` is right on all three.
# Cause: the mean is computed in `dtypes.result_type(x.dtype, "float32")`, which is "float32" for "float64",
#   and cast back (`mean` in keras/src/backend/jax/numpy.py and keras/src/backend/torch/numpy.py).
# Matters: a float64 model has a float32 loss without any sign of it: a line search stops at gradients of
#   1e-6 as "precision exhausted", and comparisons with SciPy agree to seven digits at most. A loss made
#   of `keras.ops.sum` and a division has all digits on JAX; on torch Keras's own reduction over the batch
#   is a mean again, which a Loss with its own `__call__` gets round.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, jax 0.10.2, torch 2.13.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "jax==0.10.2" "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np

keras.config.set_floatx("float64")
x = np.random.default_rng(0).normal(size=(48, 3))
tensor = keras.ops.convert_to_tensor(x)
mean = keras.ops.convert_to_numpy(keras.ops.mean(tensor))
total = keras.ops.convert_to_numpy(keras.ops.sum(tensor))
loss = float(keras.losses.MeanSquaredError()(x, 2 * x))
errors = {
    "mean": abs(mean - x.mean()),
    "sum": abs(total - x.sum()),
    "mse": abs(loss - np.mean(x**2)),
}
assert mean.dtype == "float64"
print(keras.backend.backend(), *(f"{n}: {'float64' if e < 1e-13 else 'float32'}" for n, e in errors.items()))
PY
seen=$(for backend in tensorflow jax torch; do
    JAX_ENABLE_X64=1 KERAS_BACKEND=$backend "$dir/venv/bin/python" "$dir/check.py" 2>/dev/null | tail -n 1
done)
echo "$seen"
test "$seen" = "tensorflow mean: float64 sum: float64 mse: float64
jax mean: float32 sum: float64 mse: float32
torch mean: float32 sum: float64 mse: float32"
