#!/usr/bin/env bash
# Keras on TensorFlow: `model.trainable = True` does not thaw a frozen layer of a trainable model.
#
# Guess: the setter hands the value to all layers below, as its docstring says ("for the layer and its
#   sublayers"), on every backend.
# Seen: on JAX (and torch) it does. On TensorFlow nothing happens where the model's own flag is True
#   already: the layer stays frozen, without a message.
# Cause: attribute tracking in keras/src/backend/tensorflow/trackable.py leaves out an assignment of the
#   value that is there, so the setter is not called.
# Matters: fine-tuning after `layer.trainable = False` goes on with the layer frozen. Set the model's flag
#   to False and then to True, or set it on the layers themselves.
# Versions: keras 3.15.1, tensorflow 2.21.0, jax 0.10.2, Python 3.11 (torch 2.13.0 does as JAX does)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 tensorflow-cpu==2.21.0 jax==0.10.2
cat > "$folder/program.py" <<'PYTHON'
import keras

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
model.layers[0].trainable = False
model.trainable = True
print(keras.backend.backend(), "set to True:", model.layers[0].trainable)
model.trainable = False
model.trainable = True
print(keras.backend.backend(), "set to False, then True:", model.layers[0].trainable)
PYTHON
for backend in tensorflow jax; do
    KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/program.py" \
        2> /dev/null
done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
tensorflow set to True: False
tensorflow set to False, then True: True
jax set to True: True
jax set to False, then True: True
SEEN
