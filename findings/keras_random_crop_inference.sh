#!/usr/bin/env bash
# Keras: RandomCrop(training=False) leaves pictures as they are, and crops their masks all the same.
#
# Guess: what the docstring says: "At inference time [...] the input will be resized and cropped so as to
#   return the largest possible window in the image that matches the target aspect ratio", and the masks
#   with it; `compute_output_shape` names the target size.
# Seen: with `training=False` a picture of 32 x 32 comes back as 32 x 32 from a RandomCrop(16, 16), and the
#   segmentation mask beside it as 16 x 16. CenterCrop and Resizing do not depend on `training`.
# Cause: `transform_images` in keras/src/layers/preprocessing/image_preprocessing/random_crop.py does all of
#   its work under `if training:`, and `transform_segmentation_masks` calls it without `training`.
# Matters: a model that is trained on crops gets whole pictures in `predict` and `evaluate`, of another
#   size than its summary shows: a convolutional model computes on silently.
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

pictures = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
crop = keras.layers.RandomCrop(16, 16, seed=1)
for training in (True, False):
    out = crop({"images": pictures, "segmentation_masks": pictures}, training=training)
    print("training", training, {key: tuple(value.shape) for key, value in out.items()})
assert tuple(out["images"].shape) == (2, 32, 32, 1)
assert np.array_equal(np.asarray(out["images"]), pictures)
assert tuple(out["segmentation_masks"].shape) == (2, 16, 16, 1)
assert tuple(crop.compute_output_shape((2, 32, 32, 1))) == (2, 16, 16, 1)

model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.RandomCrop(16, 16)])
print("model says", model.output_shape, "predict gives", model.predict(pictures, verbose=0).shape)
assert model.output_shape == (None, 16, 16, 1)
assert model.predict(pictures, verbose=0).shape == (2, 32, 32, 1)
PY
"$dir/venv/bin/python" "$dir/check.py"
