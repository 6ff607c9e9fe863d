#!/usr/bin/env bash
# Keras on torch: Dropout() without a seed does not use the model's random state, so restoring it repeats nothing.
#
# Guess: each Dropout draws from its seed generator, whose state is a variable of the model; who puts the
#   state back (a checkpoint, `variable.assign`) gets the same masks again, as with GaussianDropout.
# Seen: the state of Dropout() stays where it was while masks are drawn; two passes from the same state
#   have different masks. GaussianDropout() and Dropout(seed=1) do use their state.
# Cause: `dropout` in keras/src/backend/torch/random.py calls torch's own dropout, which draws from
#   torch's global generator, where the SeedGenerator was made without a seed.
# Matters: a training that is resumed from all variables of model and optimizer goes on otherwise than the
#   unbroken one; a second forward pass that must repeat the first one (gradient checks, finite
#   differences, line searches) sees other masks. Give a seed, or keep `torch.get_rng_state()` too.
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

ones = torch.ones(8, 8)


def use(layer):
    """Whether the state moves with a draw, and whether the restored state repeats the draw."""
    state = layer.seed_generator.state
    before = np.array(state.numpy())
    first = keras.ops.convert_to_numpy(layer(ones, training=True))
    moved = not np.array_equal(before, state.numpy())
    state.assign(before)
    second = keras.ops.convert_to_numpy(layer(ones, training=True))
    return moved, np.array_equal(first, second)


seen = {
    "GaussianDropout()": use(keras.layers.GaussianDropout(0.5)),
    "Dropout(seed=1)": use(keras.layers.Dropout(0.5, seed=1)),
    "Dropout()": use(keras.layers.Dropout(0.5)),
}
print("(state moves, repeats):", seen)
assert list(seen.values()) == [(True, True), (True, True), (False, False)]
PY
"$dir/venv/bin/python" "$dir/check.py"
