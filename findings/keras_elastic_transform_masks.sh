#!/usr/bin/env bash
# Keras: RandomElasticTransform moves masks otherwise than pictures, and cuts class numbers to the value range.
#
# Guess: a picture and its segmentation mask are moved alike, as in the other geometric layers, and
#   `value_range`, "the range of values the incoming images will have", concerns pictures.
# Seen: given the same array as picture and as mask, with "nearest" for both, the two come back different
#   in most places, on every backend and also with a fixed seed. With `value_range=(0, 1)` class 7 of a
#   mask becomes class 1. RandomRotation is shown beside it as the control.
# Cause: in keras/src/layers/preprocessing/image_preprocessing/random_elastic_transform.py the
#   transformation that picture and mask share holds the seed generator and not the field: each call of
#   `_transform_images` draws a field of its own, and clips its result.
# Matters: for segmentation the layer silently makes labels that do not belong to their pictures.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np

rows, columns = np.mgrid[0:32, 0:32]
picture = ((rows * 7 + columns * 13) % 97 + 1).astype("float32")[None, :, :, None]


def share_alike(layer):
    out = layer({"images": picture, "segmentation_masks": picture}, training=True)
    moved = np.asarray(out["images"])
    assert np.mean(moved != picture) > 0.3
    return float(np.mean(moved == np.asarray(out["segmentation_masks"])))


elastic = keras.layers.RandomElasticTransform((1.0, 1.0), (1.0, 1.0), interpolation="nearest", seed=1)
rotation = keras.layers.RandomRotation((0.1, 0.1), interpolation="nearest", seed=1)
seen = share_alike(rotation), share_alike(elastic)
print("share of pixels alike in picture and mask: rotation %.2f, elastic transform %.2f" % seen)
assert seen[0] == 1.0 and seen[1] < 0.6

mask = np.full((1, 32, 32, 1), 7.0, "float32")
layer = keras.layers.RandomElasticTransform((1.0, 1.0), interpolation="nearest", value_range=(0, 1), seed=1)
out = layer({"images": picture / 97, "segmentation_masks": mask}, training=True)
classes = np.unique(np.asarray(out["segmentation_masks"])).tolist()
print("classes of a mask of sevens:", classes)
assert classes == [1.0]
PY
"$dir/venv/bin/python" "$dir/check.py"
