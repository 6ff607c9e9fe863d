#!/usr/bin/env bash
# Keras on torch: random streams of neighbouring seeds are the same stream, shifted by one call.
#
# Guess: seeds 1 and 2 give streams that have nothing to do with each other, as on JAX and TensorFlow.
# Seen: on torch the second draw of seed 42 is the first draw of seed 43, and so on. GaussianNoise(seed=1)
#   makes in step n + 1 the very noise that GaussianNoise(seed=2) made in step n; likewise Dropout.
# Cause: `torch_seed_generator` in keras/src/backend/torch/random.py seeds torch with the sum of the seed
#   and the counter of a SeedGenerator; JAX and TensorFlow take the two numbers as a key.
# Matters: runs with seeds 0, 1, 2, ... are the usual way to measure a spread or to build an ensemble, and
#   layers numbered 1, 2, 3, ... to keep them apart. On torch take seeds that lie further apart than
#   the number of steps.
# Versions: keras 3.15.1, torch 2.13.0, Python 3.11 (not with jax 0.10.2)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=torch
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np
import torch


def stream(draw, count=5):
    return [keras.ops.convert_to_numpy(draw()) for _ in range(count)]


def shifted(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one[1:], two))


def normal(seed):
    generator = keras.random.SeedGenerator(seed)
    return stream(lambda: keras.random.normal((4,), seed=generator))


def noise(seed):
    layer = keras.layers.GaussianNoise(1.0, seed=seed)
    return stream(lambda: layer(torch.zeros(4, 4), training=True))


def dropout(seed):
    layer = keras.layers.Dropout(0.5, seed=seed)
    return stream(lambda: layer(torch.ones(8, 8), training=True))


seen = {
    "normal, seeds 42 and 43": shifted(normal(42), normal(43)),
    "GaussianNoise, seeds 1 and 2": shifted(noise(1), noise(2)),
    "Dropout, seeds 1 and 2": shifted(dropout(1), dropout(2)),
}
print("the same stream, shifted:", seen)
assert all(seen.values())
assert not shifted(normal(42), normal(1042))
PY
"$dir/venv/bin/python" "$dir/check.py"
