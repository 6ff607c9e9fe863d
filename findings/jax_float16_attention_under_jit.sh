#!/usr/bin/env bash
# JAX on a CPU: float16 attention works when called directly, and fails under jax.jit.
#
# Guess: what `jax.nn.dot_product_attention` computes eagerly it computes under `jax.jit`; and Keras's
#   policy "mixed_float16" trains a network with MultiHeadAttention on every device, if slowly.
# Seen: under jit it raises "The precision 'F16_F16_F32' is not supported by dot_general on CPU", and so
#   does `fit` of any Keras model with MultiHeadAttention under "mixed_float16". bfloat16 works.
# Cause: `_dot_product_attention_core` in jax/_src/nn/functions.py asks for that precision and falls back
#   to the default one where it raises. Under jit nothing is raised while the function is traced, only
#   when it is compiled, after the fallback.
# Matters: a test on a CPU of a model that trains in float16 on a GPU fails. Test with
#   "mixed_bfloat16", or without jit (`run_eagerly=True` in Keras's compile).
# Versions: jax 0.10.2, keras 3.15.1, Python 3.11 (the same with jax 0.11.2, Python 3.12)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax JAX_PLATFORMS=cpu
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import jax
import jax.numpy as jnp
import keras
import numpy as np


def outcome(function):
    try:
        function()
    except ValueError as error:
        return str(error).splitlines()[0]
    return "works"


def attend(query):
    return jax.nn.dot_product_attention(query, query, query)


def fit(policy, **arguments):
    keras.mixed_precision.set_global_policy(policy)
    inputs = keras.Input((4, 8))
    outputs = keras.layers.Dense(1)(keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", **arguments)
    model.fit(np.ones((8, 4, 8), "float32"), np.ones((8, 4, 1), "float32"), verbose=0)


refusal = "The precision 'F16_F16_F32' is not supported by dot_general on CPU"
expected = {"float16": refusal, "bfloat16": "works"}
for dtype, under_jit in expected.items():
    query = jnp.ones((2, 4, 2, 8), dtype)
    seen = {
        "eagerly": outcome(lambda: attend(query)),
        "under jit": outcome(lambda: jax.jit(attend)(query)),
        "Keras's fit": outcome(lambda: fit(f"mixed_{dtype}")),
        "Keras's fit, run_eagerly": outcome(lambda: fit(f"mixed_{dtype}", run_eagerly=True)),
    }
    print(dtype, seen)
    assert list(seen.values()) == ["works", under_jit, under_jit, "works"]
PY
"$dir/venv/bin/python" "$dir/check.py"
