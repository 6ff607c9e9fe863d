#!/usr/bin/env bash
# Keras on torch: affine_transform writes into the caller's matrix, so RandomRotation turns masks otherwise than pictures.
#
# Guess: `keras.ops.image.affine_transform` leaves its arguments alone, and RandomRotation gives a picture
#   and its segmentation mask the same turn.
# Seen: the matrix that was passed has its entries swapped after the call. RandomRotation uses one matrix
#   for both: the mask gets another one than the picture. RandomZoom and RandomTranslation, which build
#   the matrix for each use, are right; on JAX and TensorFlow all three are.
# Cause: `affine_transform` in keras/src/backend/torch/image.py swaps the columns of `transform` in
#   place; a second call with the same tensor undoes the swap and so turns with the unswapped matrix.
# Matters: augmentation for segmentation trains on labels that do not fit their pictures, without a sign.
#   Pass a copy of a matrix, and rotate pictures and masks as channels of one array.
# Versions: keras 3.15.1, torch 2.13.0, Python 3.11 (not with jax 0.10.2 and tensorflow 2.21.0)
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

matrix = torch.tensor([[2.0, 0.0, 1.0, 0.0, 3.0, 5.0, 0.0, 0.0]])
keras.ops.image.affine_transform(torch.ones(1, 8, 8, 1), matrix)
print("matrix [2 0 1 0 3 5 0 0] after the call:", matrix[0].tolist())
assert matrix[0].tolist() == [3.0, 0.0, 5.0, 0.0, 2.0, 1.0, 0.0, 0.0]

rows, columns = np.mgrid[0:32, 0:32]
picture = ((rows * 7 + columns * 13) % 97 + 1).astype("float32")[None, :, :, None]


def share_alike(layer):
    out = layer({"images": picture.copy(), "segmentation_masks": picture.copy()}, training=True)
    moved = keras.ops.convert_to_numpy(out["images"])
    mask = keras.ops.convert_to_numpy(out["segmentation_masks"])
    assert np.mean(moved != picture) > 0.9
    return float(np.mean(np.abs(moved - mask) < 1e-3))


same = {"interpolation": "nearest", "fill_mode": "nearest", "seed": 1}
seen = {
    "RandomZoom": share_alike(keras.layers.RandomZoom((0.3, 0.3), **same)),
    "RandomTranslation": share_alike(keras.layers.RandomTranslation((0.2, 0.2), (0.2, 0.2), **same)),
    "RandomRotation": share_alike(keras.layers.RandomRotation((0.1, 0.1), **same)),
}
print("share of pixels alike in picture and mask:", seen)
assert seen["RandomZoom"] == seen["RandomTranslation"] == 1.0 and seen["RandomRotation"] < 0.1
PY
"$dir/venv/bin/python" "$dir/check.py"
