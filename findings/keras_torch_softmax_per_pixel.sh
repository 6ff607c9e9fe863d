#!/usr/bin/env bash
# Keras on torch, on a CPU: a network with a softmax for each pixel cannot train with
# "sparse_categorical_crossentropy".
#
# Guess: a convolution with `activation="softmax"` and this loss, the usual end of a network for
#   segmentation, trains on torch as on TensorFlow and JAX.
# Seen: "RuntimeError: grad_input must be contiguous" from `loss.backward()` in the first step. With logits
#   and `from_logits=True`, or with the pixels of a picture in a row, it trains.
# Cause: Keras moves the classes to axis 1 without a copy and calls `torch.nn.functional.nll_loss`
#   (`sparse_categorical_crossentropy` in keras/src/backend/torch/nn.py), whose gradient for pictures wants a
#   tensor in one piece. `cross_entropy`, which is taken for logits, makes one on the way.
# Matters: the message comes from the depths of torch, names neither the loss nor the layer, and the same
#   script runs on the other backends.
# Versions: keras 3.15.1, torch 2.13.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=torch
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "keras==3.15.1" "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
pictures = random.normal(size=(8, 16, 16, 3)).astype("float32")
classes = random.integers(0, 5, (8, 16, 16))


def outcome(outputs, targets, from_logits=False):
    model = keras.Model(picture, outputs)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    try:
        model.fit(pictures, targets, verbose=0)
        return "trains"
    except RuntimeError as error:
        return str(error).splitlines()[0]


picture = keras.Input((16, 16, 3))
logits = layers.Conv2D(5, 1)(layers.Conv2D(4, 3, padding="same")(picture))
print("softmax:", outcome(layers.Softmax()(logits), classes))
print("logits:", outcome(logits, classes, from_logits=True))
row = layers.Softmax()(layers.Reshape((256, 5))(logits))
print("in a row:", outcome(row, classes.reshape(8, 256)))
PY
seen=$("$dir/venv/bin/python" "$dir/check.py" 2>/dev/null)
echo "$seen"
test "$seen" = "softmax: grad_input must be contiguous
logits: trains
in a row: trains"
