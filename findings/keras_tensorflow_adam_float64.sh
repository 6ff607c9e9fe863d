#!/usr/bin/env bash
# Keras on TensorFlow: Adam in float64 is right to five digits only.
#
# Guess: with `floatx` "float64" and a float64 weight the steps agree with the formula to about 1e-15, as
#   they do on torch and on JAX with 64 bits.
# Seen: on TensorFlow the steps of Adam differ from the formula by 7e-6 of their size.
#   `keras.ops.cast(0.999, "float64")` is 0.9990000128746033 there.
# Cause: `Adam.update_step` (keras/src/optimizers/adam.py) passes `ops.cast(self.beta_2, variable.dtype)`.
#   `cast` in keras/src/backend/tensorflow/core.py is `tf.cast`, which makes a float32 of a Python
#   number first; 1 - beta_2**t enlarges the error of 1e-8 a thousandfold. `ops.convert_to_tensor` with
#   a dtype is exact.
# Matters: checks of gradients and optimizers in float64 against a reference, and comparisons between
#   backends, fail at 1e-6 although "everything is float64". In own code convert numbers, do not cast them.
# Versions: keras 3.15.1, tensorflow-cpu 2.21.0, jax 0.10.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" TF_CPP_MIN_LOG_LEVEL=3
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "tensorflow-cpu==2.21.0" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import sys

import keras
import numpy as np

keras.config.set_floatx("float64")


def formula(steps, rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    weight = momentum = velocity = 0.0
    for step in range(1, steps + 1):
        momentum = beta_1 * momentum + (1 - beta_1)
        velocity = beta_2 * velocity + (1 - beta_2)
        alpha = rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
        weight -= alpha * momentum / (velocity**0.5 + epsilon)
    return weight


def adam(steps):
    weight = keras.Variable(np.zeros(1), dtype="float64")
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([weight])
    gradient = keras.ops.convert_to_tensor(np.ones(1), dtype="float64")
    for _ in range(steps):
        optimizer.apply([gradient], [weight])
    assert weight.dtype == "float64"
    return float(keras.ops.convert_to_numpy(weight)[0])


cast = float(keras.ops.cast(0.999, "float64"))
converted = float(keras.ops.convert_to_tensor(0.999, dtype="float64"))
errors = [abs(adam(steps) / formula(steps) - 1) for steps in (1, 2, 10)]
print("cast 0.999:", cast, "convert:", converted, "relative errors of Adam:", errors)
assert converted == 0.999
if sys.argv[1] == "tensorflow":
    assert cast == float(np.float32(0.999)) and min(errors) > 5e-6
else:
    assert cast == 0.999 and max(errors) < 1e-12
PY
for backend in tensorflow jax; do
    echo "== $backend"
    JAX_ENABLE_X64=1 KERAS_BACKEND=$backend "$dir/venv/bin/python" "$dir/check.py" $backend
done
